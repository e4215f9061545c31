"""The three rates by their names, and how well the flag finds failures: beside each other, never one for another."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from dashboard.wording import ANSWER_WORDS, RATE_MEANINGS, RATE_TITLES, count, percent, range_of
from shared.read_models import RateView
from shared.report import FlagQuality, Interval

UNKNOWN_HERE = "unknown here"


def rates_and_trust(rates: Sequence[RateView]) -> Component:
    """All three, also those without a number, and beside them how far to trust the flag."""
    found = {rate.name: rate for rate in rates}
    cells = [_rate(name, found.get(name)) for name in RATE_TITLES]  # type: ignore[call-overload]
    return html.Div([*cells, flag_quality(_quality(found.get("flagged_rate")))], className="rates")


def _quality(flagged: RateView | None) -> FlagQuality | None:
    return flagged.flag_quality if flagged else None


def _rate(name: str, view: RateView | None) -> Component:
    return html.Div(
        [
            html.H3(RATE_TITLES[name]),
            *_value(view),
            html.P(RATE_MEANINGS[name], className="rate-meaning"),
        ],
        className="rate",
    )


def _value(view: RateView | None) -> list[Component]:
    if view is None or (view.answer == "missing" and view.name != "flagged_rate"):
        return [html.P("no reviews reported" if view else "not reported", className="rate-none")]
    if view.answer != "ok" or view.interval is None:
        words = ANSWER_WORDS["insufficient_data" if view.answer == "ok" else view.answer]
        return [html.P(words, className="rate-none"), html.P(_out_of(view), className="rate-of")]
    return [
        html.P([html.Strong(percent(view.interval.estimate)), f" {range_of(view.interval)}"], className="rate-value"),
        html.P(f"{_out_of(view)} · {view.interval.method}".lstrip(" ·"), className="rate-of"),
    ]


def _out_of(view: RateView) -> str:
    if view.out_of is None:
        return ""
    if view.count is None:
        return f"{view.out_of:,} cases"
    return f"{count(view.count)} of {view.out_of:,} cases"


def flag_quality(quality: FlagQuality | None) -> Component:
    """Sensitivity and specificity of the flag as measured, and on what; "unknown here" where nobody measured."""
    sensitivity = _measured("Sensitivity for failures", quality.sensitivity if quality else None)
    specificity = _measured("Specificity", quality.specificity if quality else None)
    source = f"Measured on: {quality.measured_on}." if quality else "Nobody has measured how well the flag works here."
    return html.Div(
        [html.H3("How far to trust the flag"), sensitivity, specificity, html.P(source, className="rate-meaning")],
        className="flag-quality",
    )


def _measured(label: str, value: Interval | None) -> Component:
    if value is None:
        shown: list[Component | str] = [UNKNOWN_HERE]
    else:
        shown = [html.Strong(percent(value.estimate)), f" {range_of(value)}"]
    return html.P([html.Span(label, className="measured-label"), html.Span(shown)], className="measured")
