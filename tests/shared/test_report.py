"""Wire model v1: what may be said, and what is refused."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from shared.quantities import linear_cuts
from shared.report import (
    CountBand,
    DetectorState,
    EventSummary,
    Interval,
    MetricSummary,
    PrivacyStatement,
    SiteReport,
    Versions,
    Window,
    WireHistogram,
    report_id_for,
)
from shared.summaries import Histogram

START = datetime(2026, 9, 1, tzinfo=UTC)
CUTS = linear_cuts(0, 1)


def a_window(index: int = 3) -> Window:
    return Window(index=index, start_at=START, end_at=START + timedelta(days=7))


def a_report(**changed) -> SiteReport:
    told = {
        "report_id": report_id_for("north-clinic", "window", 3, "all", 0, 1),
        "site": "north-clinic",
        "kind": "window",
        "window": a_window(),
        "revision": 0,
        "stratum": "all",
        "status": "released",
        "created_at": START + timedelta(days=7, hours=1),
        "versions": Versions(
            agent="0.1.0",
            backend="bundled",
            model="2026.1",
            model_hash="ab" * 32,
            quality_model="1",
            baseline=1,
            edges=1,
        ),
        "privacy": PrivacyStatement(k=5, exact_event_counts=False, policy="default"),
        "patient_count": 20,
        "case_count": 22,
        "late_count": CountBand.exactly(0),
        "funnel": None,
    }
    return SiteReport(**(told | changed))


def suppressed(**changed) -> SiteReport:
    nothing = {"patient_count": None, "case_count": None, "late_count": None}
    return a_report(status="suppressed", **(nothing | changed))


def a_metric(**changed) -> MetricSummary:
    told = {
        "name": "predicted_dice",
        "label": "Predicted Dice",
        "unit": "Dice",
        "direction": "higher_is_better",
        "version": 1,
        "histogram": WireHistogram.wrap(Histogram.of([0.5, 0.9], CUTS)),
        "undefined": CountBand.exactly(0),
    }
    return MetricSummary(**(told | changed))


def a_detector(**changed) -> DetectorState:
    told = {
        "metric": "predicted_dice",
        "label": "Predicted Dice",
        "kind": "rank",
        "alternative": "less",
        "version": 1,
        "baseline_n": 100,
        "stream_n": 40,
        "log_statistic": 3.2,
        "highest_log_statistic": 4.0,
        "log_threshold": 17.0,
        "pages_in_window": 0,
        "pages_total": 0,
        "evidence_since": START,
    }
    return DetectorState(**(told | changed))


@pytest.mark.parametrize("report", [a_report(metrics=(a_metric(),), detectors=(a_detector(),)), suppressed()])
def test_a_report_goes_through_json_unchanged(report):
    assert SiteReport.model_validate_json(report.model_dump_json()) == report


def test_unknown_fields_are_refused_on_every_level():
    body = json.loads(a_report(metrics=(a_metric(),)).model_dump_json())
    for place in (body, body["window"], body["metrics"][0], body["versions"]):
        place["patient_name"] = "x"
        with pytest.raises(ValidationError, match="patient_name"):
            SiteReport.model_validate(body)
        del place["patient_name"]


def test_reports_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        a_report().patient_count = 1


def test_id_follows_from_what_the_report_is_about():
    ids = [
        report_id_for("north-clinic", "window", 3, "all", 0, 1),
        report_id_for("south-clinic", "window", 3, "all", 0, 1),
        report_id_for("north-clinic", "window", 4, "all", 0, 1),
        report_id_for("north-clinic", "window", 3, "manufacturer=siemens", 0, 1),
        report_id_for("north-clinic", "window", 3, "all", 1, 1),
        report_id_for("north-clinic", "baseline", 3, "all", 0, 1),
        report_id_for("north-clinic", "baseline", 3, "all", 0, 2),
    ]
    assert len(set(ids)) == len(ids)
    assert ids[0] == report_id_for("north-clinic", "window", 3, "all", 0, 1)
    assert ids[0] == report_id_for("north-clinic", "window", 3, "all", 0, 2)  # a window is not sent again per baseline


def test_foreign_id_is_refused():
    with pytest.raises(ValidationError, match="does not belong"):
        a_report(report_id=report_id_for("south-clinic", "window", 3, "all", 0, 1))


@pytest.mark.parametrize(
    "number",
    [
        {"patient_count": 2},
        {"case_count": 2},
        {"late_count": CountBand.exactly(1)},
        {"metrics": (a_metric(),)},
        {"events": (EventSummary(name="flagged", label="Flagged", count=CountBand.exactly(0), out_of=2),)},
        {"detectors": (a_detector(),)},
    ],
)
def test_a_suppressed_report_holds_no_number(number):
    with pytest.raises(ValidationError, match="holds no numbers"):
        suppressed(**number)


def test_a_released_report_covers_at_least_k_patients():
    assert a_report(patient_count=5).patient_count == 5
    with pytest.raises(ValidationError, match="at least k"):
        a_report(patient_count=4)
    for missing in ("patient_count", "case_count"):
        with pytest.raises(ValidationError, match="how many patients"):
            a_report(**{missing: None})


def test_a_window_ends_after_it_starts():
    for end in (START, START - timedelta(days=1)):
        with pytest.raises(ValidationError, match="after it starts"):
            Window(index=0, start_at=START, end_at=end)


def test_moments_carry_a_time_zone():
    with pytest.raises(ValidationError, match="timezone"):
        a_report(created_at=datetime(2026, 9, 8))  # noqa: DTZ001


def test_bands_are_in_order_and_know_whether_they_are_exact():
    assert CountBand.exactly(3).exact
    assert not CountBand(low=1, high=4).exact
    with pytest.raises(ValidationError, match="upper end"):
        CountBand(low=4, high=1)


def test_a_summary_has_a_histogram_or_a_reason():
    withheld = a_metric(histogram=None, undefined=None, withheld="would_reveal_a_small_count")
    assert withheld.histogram is None
    with pytest.raises(ValidationError, match="either a histogram or"):
        a_metric(histogram=None)
    with pytest.raises(ValidationError, match="either a histogram or"):
        a_metric(withheld="would_reveal_a_small_count")


def test_histograms_on_the_wire_are_histograms():
    histogram = Histogram.of([0.1, 0.5, 0.5], CUTS).coarsen(8)
    assert WireHistogram.wrap(histogram).unwrap() == histogram
    with pytest.raises(ValidationError):
        WireHistogram(cuts=CUTS, counts=(1, 2, 3))
    with pytest.raises(ValidationError):
        WireHistogram(cuts=(*CUTS[:-1], float("inf")), counts=(0,) * 32)


def test_events_are_at_most_as_many_as_cases():
    banded = EventSummary(name="flagged", label="Flagged", count=CountBand(low=1, high=4), out_of=2)
    assert banded.count.low == 1
    with pytest.raises(ValidationError, match="More events"):
        EventSummary(name="flagged", label="Flagged", count=CountBand.exactly(3), out_of=2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_on_the_wire_are_finite(value):
    with pytest.raises(ValidationError):
        a_detector(log_statistic=value)
    with pytest.raises(ValidationError):
        Interval(estimate=value, low=0, high=1, method="exact")


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        (a_report, {"site": "North Clinic"}),
        (a_report, {"site": "x"}),
        (a_report, {"stratum": "free text!"}),
        (a_metric, {"name": "1.2.840.113619"}),
        (a_metric, {"label": "x" * 81}),
        (a_metric, {"version": 0}),
        (a_detector, {"metric": "Doe^Jane"}),
    ],
)
def test_every_string_comes_from_a_narrow_pattern(model, changed):
    with pytest.raises(ValidationError):
        model(**changed)


def test_windows_in_a_row_touch_without_overlap():
    week = timedelta(days=7)
    windows = [Window(index=i, start_at=START + i * week, end_at=START + (i + 1) * week) for i in range(3)]
    assert all(a.end_at == b.start_at for a, b in pairwise(windows))
