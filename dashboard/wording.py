"""Numbers, times and answers as a person reads them. Pure; what is not known is said in words and never as 0."""

import math
from datetime import UTC, datetime

from shared.read_models import Answer, RateView
from shared.report import CountBand, Interval, Window

NOT_KNOWN = "not known"

ANSWER_WORDS: dict[Answer, str] = {
    "ok": "released",
    "insufficient_data": "insufficient data",
    "suppressed": "suppressed: too few patients",
    "withheld": "withheld: would reveal a small count",
    "missing": "no report",
}

RATE_TITLES = {
    "flagged_rate": "Flagged rate",
    "reviewed_failure_rate": "Reviewed failure rate",
    "estimated_failure_rate": "Estimated failure rate",
}

RATE_MEANINGS = {
    "flagged_rate": "Share of cases that the quality model predicts to have failed. Sampling interval only.",
    "reviewed_failure_rate": "Share of randomly drawn cases that a reader found to have failed.",
    "estimated_failure_rate": "Prediction-powered: readers' random reviews, sharpened by the quality model.",
}

UNIT_WORDS = {"fraction": "", "count": "", "Dice": "Dice", "": ""}


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in the largest whole unit; a moment that lies ahead (a clock runs wrong) counts as now."""
    if moment is None:
        return "never"
    seconds = max(0.0, (now - moment).total_seconds())
    if seconds < 60:
        return "just now"
    for unit, length in (("min", 60), ("h", 3600)):
        if seconds < length * (60 if unit == "min" else 48):
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds // 86400)} days ago"


def moment(at: datetime | None) -> str:
    """A moment with its time zone."""
    return NOT_KNOWN if at is None else at.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def span(window: Window) -> str:
    """A window in UTC: its days where it covers whole days, else with the hours."""
    start, end = window.start_at.astimezone(UTC), window.end_at.astimezone(UTC)
    whole_days = all((at.hour, at.minute, at.second) == (0, 0, 0) for at in (start, end))
    if whole_days and (end - start).days == 1:
        return start.strftime("%-d %b %Y (UTC)")
    if whole_days:
        return f"{start.strftime('%-d %b %Y')} up to {end.strftime('%-d %b %Y')} (UTC)"
    pattern = "%H:%M:%S" if (end - start).total_seconds() < 120 else "%H:%M"
    end_text = end.strftime(pattern if start.date() == end.date() else f"%-d %b {pattern}")
    return f"{start.strftime(f'%-d %b %Y, {pattern}')} to {end_text} UTC"


def number(value: float | None, digits: int = 3) -> str:
    """A number to a few significant digits, without an exponent where people would not expect one."""
    if value is None:
        return NOT_KNOWN
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else NOT_KNOWN
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    if -3 <= decimals <= 6:
        text = f"{round(value, decimals):,.{max(decimals, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text and decimals > 2 else text
    return f"{value:.{digits - 1}e}"


def with_unit(value: float | None, unit: str) -> str:
    """A number and its unit; a fraction or a count stands alone."""
    text, word = number(value), UNIT_WORDS.get(unit, unit)
    return f"{text} {word}".rstrip() if value is not None else text


def percent(share: float) -> str:
    """A share as a percentage; one decimal below 10 %."""
    value = share * 100
    return f"{value:.1f} %" if 0 < value < 10 else f"{value:.0f} %"


def interval(value: Interval) -> str:
    """An estimate with its 95 % interval."""
    return f"{percent(value.estimate)} ({range_of(value)})"


def range_of(value: Interval) -> str:
    """The interval alone."""
    return f"{percent(value.low).removesuffix(' %')} to {percent(value.high)}"


def count(band: CountBand | None) -> str:
    """A count, or the two ends it lies between."""
    if band is None:
        return NOT_KNOWN
    return f"{band.low:,}" if band.exact else f"{band.low:,} to {band.high:,}"


def rate(view: RateView) -> str:
    """One rate with its interval, or why there is none."""
    if view.answer == "ok" and view.interval is not None:
        return interval(view.interval)
    return ANSWER_WORDS[view.answer] if view.answer != "ok" else "insufficient data"


def plural(number_of: int, one: str, several: str | None = None) -> str:
    """`1 site`, `2 sites`."""
    return f"{number_of:,} {one if number_of == 1 else several or one + 's'}"


def duration(seconds: float) -> str:
    """A span of time in its two largest units."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = round(whole / 60)
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def bytes_in_words(number_of: int) -> str:
    """A number of bytes, in kB, MB and GB of a thousand each."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number_of >= size:
            return f"{number_of / size:.1f} {unit}"
    return plural(number_of, "byte")


def many(value: float) -> str:
    """A large number as people say it: `24 million`, not `24154952`."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if value >= size:
            return f"{number(value / size, 2)} {word}"
    return number(value, 2)
