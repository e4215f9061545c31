"""Events that are counted beside the distributions: what each one is, and which distribution would give it away.

An event happened to a case, or did not, or nobody can know: without lungs nothing lies outside them, and where the
quality could not be predicted nothing was flagged and nothing passed. An event that cannot be known never counts as
one that did not happen: a broken score would read as a perfect site. A mask without a voxel has no quality to predict,
so the flagged rate is one among the cases that have a prediction, and empty masks are a rate of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.pipeline import CaseResult, Values

OUTSIDE_LUNGS_FRACTION = 0.5

Happened = dict[str, bool | None]
"""Name of an event -> whether it happened; None, or no such name, where that cannot be known."""


@dataclass(frozen=True)
class Trace:
    """A distribution from which an event can be counted or bounded.

    Args:
        metric: name of the quantity.
        side: "below" and "from": the event happened to whoever has a value < threshold, or >= threshold. "at": whoever
            it happened to has exactly this value, and others may have it as well.
    """

    metric: str
    side: Literal["below", "from", "at"]
    threshold: float


@dataclass(frozen=True)
class Event:
    """Something that happened to a case or did not.

    Args:
        name, label: as on the wire.
        traces: distributions that bound its count.
        watched: whether a rate detector watches it.
    """

    name: str
    label: str
    traces: tuple[Trace, ...] = ()
    watched: bool = False


def catalogue(
    validation: Mapping[str, ValidationRange],
    flag_thresholds: Sequence[float],
    values_of_nothing: Mapping[str, float],
    *,
    has_quality: bool,
) -> tuple[Event, ...]:
    """The events of a toolkit, in a fixed order.

    Args:
        validation: name of a score -> its range, from which its limit follows.
        flag_thresholds: failure probabilities at which the quality model flags, as far as it tells them.
        values_of_nothing: the values that an empty mask has, by name.
        has_quality: whether there is a quality model at all.
    """
    events = [
        Event(
            "empty_mask",
            "Nothing was segmented",
            tuple(Trace(name, "at", value) for name, value in values_of_nothing.items()),
            watched=True,
        ),
        Event(
            "outside_lungs",
            "Most of the segmentation lies outside the lungs",
            (Trace("lesion_in_lungs", "below", OUTSIDE_LUNGS_FRACTION),),
        ),
    ]
    if has_quality:
        traces = tuple(Trace("failure_probability", "from", threshold) for threshold in flag_thresholds)
        events.append(Event("flagged", "Flagged for review: the mask is expected to be poor", traces, watched=True))
    if "mahalanobis" in validation:
        limit = validation["mahalanobis"].log10_ratio(2 * validation["mahalanobis"].high)
        traces = () if limit is None else (Trace("mahalanobis_log10", "from", limit),)
        events.append(Event("outside_model_reference", "Unlike anything the model was validated on", traces))
    return tuple(events)


def happened(result: CaseResult) -> Happened:
    """What happened to a case."""
    return events_in(result.values, empty=result.empty, flagged=result.quality is not None and result.quality.flagged)


def events_in(values: Values, *, empty: bool, flagged: bool) -> Happened:
    """What follows from a case's values; `flagged` counts only beside a failure probability that it follows from."""
    in_lungs, unusual = values.get("lesion_in_lungs"), values.get("mahalanobis_normalised")
    return {
        "empty_mask": empty,
        "outside_lungs": None if in_lungs is None else in_lungs < OUTSIDE_LUNGS_FRACTION,
        "flagged": None if values.get("failure_probability") is None else flagged,
        "outside_model_reference": None if unusual is None else unusual >= 1.0,
    }
