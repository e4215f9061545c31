"""Events follow from values by fixed rules, and name the distributions that would give them away."""

import pytest

from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.reporting.events import Trace, catalogue, events_in

RANGES = {"mahalanobis": ValidationRange(1.0, 10.0, 40.0)}


@pytest.mark.parametrize(
    ("values", "empty", "flagged", "expected"),
    [
        ({}, False, False, {}),
        ({"lesion_in_lungs": None, "failure_probability": None}, True, False, {"empty_mask": True}),
        ({"lesion_in_lungs": 0.49, "failure_probability": 0.9}, False, True, {"outside_lungs": True, "flagged": True}),
        (
            {"lesion_in_lungs": 0.5, "failure_probability": 0.1},
            False,
            False,
            {"outside_lungs": False, "flagged": False},
        ),
        ({"mahalanobis_normalised": 1.0}, False, False, {"outside_model_reference": True}),
        ({"mahalanobis_normalised": 0.99}, False, False, {"outside_model_reference": False}),
        ({"mahalanobis_normalised": None}, False, False, {"outside_model_reference": None}),
    ],
)
def test_what_happened_to_a_case_and_what_cannot_be_known(
    values: dict[str, float | None], empty: bool, flagged: bool, expected: dict[str, bool]
) -> None:
    unknown = dict.fromkeys(("outside_lungs", "flagged", "outside_model_reference"))
    assert events_in(values, empty=empty, flagged=flagged) == {"empty_mask": False, **unknown, **expected}


def test_the_catalogue_holds_what_the_toolkit_can_tell() -> None:
    assert [e.name for e in catalogue({}, (), {}, has_quality=False)] == ["empty_mask", "outside_lungs"]
    names = [e.name for e in catalogue(RANGES, (0.4,), {}, has_quality=True)]
    assert names == ["empty_mask", "outside_lungs", "flagged", "outside_model_reference"]


def test_only_empty_masks_and_flags_are_watched_as_rates() -> None:
    assert [e.name for e in catalogue(RANGES, (0.4,), {}, has_quality=True) if e.watched] == ["empty_mask", "flagged"]


def test_the_limit_on_the_wire_is_the_limit_of_the_event() -> None:
    outside = catalogue(RANGES, (), {}, has_quality=False)[-1]
    (trace,) = outside.traces
    score = 10.0 * 10**trace.threshold  # the raw score at the limit of the log ratio
    assert RANGES["mahalanobis"].normalise(score) == pytest.approx(1.0)
    assert trace.metric == "mahalanobis_log10"


def test_every_value_that_an_empty_mask_has_is_a_trace() -> None:
    empty = catalogue({}, (), {"lesion_volume_ml": 0.0, "component_count": 0.0}, has_quality=False)[0]
    assert empty.traces == (Trace("lesion_volume_ml", "at", 0.0), Trace("component_count", "at", 0.0))


def test_each_flag_threshold_is_a_trace() -> None:
    flagged = catalogue({}, (0.4, 0.6), {}, has_quality=True)[-1]
    assert flagged.traces == (Trace("failure_probability", "from", 0.4), Trace("failure_probability", "from", 0.6))
