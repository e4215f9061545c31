"""From cases to a report: what is counted, what a report says and what it never can."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.reporting.aggregate import (
    Arrivals,
    CountedCase,
    Heading,
    as_protected,
    baseline_report,
    suppressed_report,
    tally,
    window_report,
)
from hospital_agent.reporting.events import Event
from hospital_agent.reporting.privacy import Policy, protect
from hospital_agent.reporting.tally import EventTally, Tally
from shared.quantities import Quantity, linear_cuts
from shared.report import CountBand, SiteReport, Versions, Window

SIZE = Quantity("size", "ml", "neither", 0.0, 100.0, 1, linear_cuts(0.0, 32.0), "Size")
EVENTS = (Event("empty_mask", "Nothing was segmented"),)
VERSIONS = Versions(
    agent="0.1.0", backend="bundled", model="1", model_hash="a" * 64, quality_model="1", baseline=None, edges=1
)
WINDOW = Window(index=3, start_at=datetime(2026, 3, 2, tzinfo=UTC), end_at=datetime(2026, 3, 3, tzinfo=UTC))
NOW = datetime(2026, 3, 3, 0, 0, 5, tzinfo=UTC)


def heading(kind: str = "window", **policy: object) -> Heading:
    return Heading("north", kind, WINDOW, VERSIONS, Policy(**{"k": 5, "version": "p1", **policy}), NOW, (SIZE,), EVENTS)  # type: ignore[arg-type]


def cases(n: int, *, first: int = 0, **changes: object) -> list[CountedCase]:
    return [
        CountedCase(f"SECRET-{first + i}", {"size": 4.0 * (i % 8) + 0.5}, {"empty_mask": False}, **changes)  # type: ignore[arg-type]
        for i in range(n)
    ]


class TestTally:
    def test_missing_and_undefined_values_are_undefined_and_not_zero(self) -> None:
        rows = [
            CountedCase("a", {"size": 1.0}, {"empty_mask": False}),
            CountedCase("b", {"size": None}, {"empty_mask": True}),
            CountedCase("c", {}, {"empty_mask": None}),
        ]
        counted = tally(rows, (SIZE,), EVENTS)
        assert counted.metrics["size"].undefined == 2
        assert counted.metrics["size"].histogram.total == 1
        assert counted.events["empty_mask"] == EventTally(1, 2)

    def test_values_on_the_open_ends_are_counted(self) -> None:
        counted = tally(
            [CountedCase("a", {"size": -9e9}, {}), CountedCase("b", {"size": 9e9}, {})],
            (SIZE,),
            EVENTS,
        )
        assert (counted.metrics["size"].histogram.counts[0], counted.metrics["size"].histogram.counts[-1]) == (1, 1)

    @given(st.lists(st.one_of(st.none(), st.floats(0, 40))), st.lists(st.one_of(st.none(), st.floats(0, 40))))
    def test_counting_two_windows_and_adding_is_counting_both(
        self, first: list[float | None], second: list[float | None]
    ) -> None:
        a = [CountedCase(f"a{i}", {"size": value}, {}) for i, value in enumerate(first)]
        b = [CountedCase(f"b{i}", {"size": value}, {}) for i, value in enumerate(second)]
        assert tally(a, (SIZE,), EVENTS) + tally(b, (SIZE,), EVENTS) == tally([*a, *b], (SIZE,), EVENTS)

    def test_zero_is_neutral(self) -> None:
        counted = tally(cases(7), (SIZE,), EVENTS)
        assert Tally.zero((SIZE,), EVENTS) + counted == counted


class TestWindowReport:
    @pytest.mark.parametrize("n", [0, 1, 4])
    def test_fewer_than_k_patients_are_suppressed_and_hold_no_number(self, n: int) -> None:
        report = window_report(heading(), tally(cases(n), (SIZE,), EVENTS), Arrivals(n, 1, {"localizer": 2}))
        assert report.status == "suppressed"
        assert report.patient_count is report.case_count is report.funnel is report.late_count is None
        assert report.metrics == report.events == report.detectors == ()

    def test_a_released_report_says_what_it_covers(self) -> None:
        report = window_report(heading(), tally(cases(20), (SIZE,), EVENTS), Arrivals(23, 0, {"localizer": 7}))
        assert (report.status, report.patient_count, report.case_count) == ("released", 20, 20)
        assert report.metrics[0].histogram is not None
        assert sum(report.metrics[0].histogram.counts) == 20
        assert report.funnel is not None
        assert report.funnel.received == CountBand.exactly(30)
        assert report.funnel.refused_by_reason == {"localizer": CountBand.exactly(7)}

    @pytest.mark.parametrize("unknown", [0, 1, 4, 5, 15, 16, 20])
    def test_an_event_is_told_among_the_cases_of_which_it_is_known(self, unknown: int) -> None:
        rows = [CountedCase(str(i), {}, {"empty_mask": None if i < unknown else i == 19}) for i in range(20)]
        report = window_report(heading(), tally(rows, (SIZE,), EVENTS), Arrivals(20, 0, {}))
        told = [(event.count, event.out_of) for event in report.events]
        few = CountBand(low=1, high=5 if unknown == 15 else 4)
        assert told == ([(few, 20 - unknown)] if unknown in (0, 5, 15) else [])

    @pytest.mark.parametrize(("unknown", "out_of"), [(3, [17]), (20, [])])
    def test_a_site_that_allows_exact_counts_tells_it_as_long_as_one_is_known(
        self, unknown: int, out_of: list[int]
    ) -> None:
        rows = [CountedCase(str(i), {}, {"empty_mask": None if i < unknown else False}) for i in range(20)]
        report = window_report(heading(exact_event_counts=True), tally(rows, (SIZE,), EVENTS), Arrivals(20, 0, {}))
        assert [event.out_of for event in report.events] == out_of

    def test_late_cases_are_counted_and_banded(self) -> None:
        rows = [*cases(18), *cases(2, first=18, late=True)]
        report = window_report(heading(), tally(rows, (SIZE,), EVENTS), Arrivals(20, 0, {}))
        assert report.late_count == CountBand(low=1, high=4)

    def test_no_pseudonym_or_single_value_is_in_the_bytes(self) -> None:
        rows = [CountedCase("SECRET-PATIENT", {"size": 3.14159265}, {}), *cases(19, first=1)]
        report = window_report(heading(), tally(rows, (SIZE,), EVENTS), Arrivals(20, 0, {}))
        body = report.model_dump_json()
        assert "SECRET" not in body
        assert "3.14159" not in body

    def test_it_survives_the_wire(self) -> None:
        report = window_report(heading(), tally(cases(20), (SIZE,), EVENTS), Arrivals(20, 2, {}))
        assert SiteReport.model_validate_json(report.model_dump_json()) == report

    def test_the_id_is_the_same_every_time(self) -> None:
        first = window_report(heading(), tally(cases(20), (SIZE,), EVENTS), Arrivals(20, 0, {}))
        again = suppressed_report(heading())
        assert first.report_id == again.report_id
        assert first.revision == 0


class TestBaselineReport:
    def test_it_is_exactly_the_sum_of_its_windows(self) -> None:
        tallies = [tally(cases(20, first=20 * i), (SIZE,), EVENTS) for i in range(4)]
        parts = [(counted, protect(counted, Policy(5), EVENTS)) for counted in tallies]
        report = baseline_report(heading("baseline"), parts)
        assert (report.kind, report.patient_count, report.case_count) == ("baseline", 80, 80)
        assert report.metrics[0].histogram is not None
        coarse = report.metrics[0].histogram.unwrap().coarsen(8)
        windows = [told.metrics["size"].histogram for _, told in parts]
        assert all(window is not None for window in windows)
        assert coarse.counts == tuple(sum(w.counts[i] for w in windows if w is not None) for i in range(8))

    def test_an_event_is_summed_over_the_windows_that_tell_it(self) -> None:
        dark = [
            CountedCase(f"d{i}", {"size": 4.0 * (i % 8)}, {"empty_mask": None if i < 2 else True}) for i in range(9)
        ]
        tallies = [tally(rows, (SIZE,), EVENTS) for rows in (cases(20), dark, cases(20, first=20))]
        report = baseline_report(heading("baseline"), [(t, protect(t, Policy(5), EVENTS)) for t in tallies])
        assert [(event.count, event.out_of) for event in report.events] == [(CountBand.exactly(0), 40)]
        assert report.case_count == 49

    def test_a_patient_of_two_windows_is_one_patient_and_two_cases(self) -> None:
        tallies = [tally(cases(20), (SIZE,), EVENTS)] * 2
        report = baseline_report(heading("baseline"), [(t, protect(t, Policy(5), EVENTS)) for t in tallies])
        assert (report.patient_count, report.case_count) == (20, 40)


def test_what_a_report_tells_can_be_read_back() -> None:
    counted = tally(cases(20), (SIZE,), EVENTS)
    report = window_report(heading(), counted, Arrivals(20, 0, {}))
    policy = Policy(5, version="p1")
    assert as_protected(report, counted, policy) == protect(counted, policy, EVENTS)
