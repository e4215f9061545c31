"""A share of cases whose count may be told only as a band."""

from dataclasses import dataclass

from shared.report import CountBand
from shared.statistics.intervals import clopper_pearson

METHOD = "exact (Clopper-Pearson)"


@dataclass(frozen=True)
class Share:
    """A share of cases with its exact 95 % interval, and how both were made."""

    estimate: float
    low: float
    high: float
    method: str


def proportion(count: CountBand, out_of: int) -> Share | None:
    """The share of `count` among `out_of` cases; None without any case.

    Where the count is told only as a band, the interval reaches from the lower limit of the band's lower end to the
    upper limit of its upper end, the estimate is the middle of the band, and the method says so.
    """
    if out_of == 0:
        return None
    low_count, high_count = min(count.low, out_of), min(count.high, out_of)
    exact = low_count == high_count
    return Share(
        estimate=(low_count + high_count) / 2 / out_of,
        low=clopper_pearson(low_count, out_of)[0],
        high=clopper_pearson(high_count, out_of)[1],
        method=METHOD if exact else f"count told as {low_count} to {high_count}: its middle; {METHOD} at both ends",
    )
