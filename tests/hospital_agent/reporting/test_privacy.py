"""The privacy rule: what is told, and that nothing hidden follows from what is told."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.reporting.events import Event, Trace
from hospital_agent.reporting.privacy import (
    Policy,
    Protected,
    finest_resolution,
    implied,
    narrows,
    protect,
    protect_count,
    protect_funnel,
    releasable,
    sum_of,
)
from hospital_agent.reporting.tally import EventTally, MetricTally, Tally
from shared.quantities import linear_cuts
from shared.report import CountBand
from shared.summaries import Histogram

K5 = Policy(k=5, version="test")
EXACT = Policy(k=5, exact_event_counts=True, version="test")
CUTS = linear_cuts(0.0, 32.0)  # 31 whole numbers: value i + 0.5 falls into bin i
EMPTY = Event("empty_mask", "", (Trace("volume", "at", 0.0), Trace("pieces", "at", 0.0)))
FLAGGED = Event("flagged", "", (Trace("risk", "from", 16.0),))
EVENTS = (EMPTY, FLAGGED)
SPREAD = tuple(range(0, 32, 4))


def counted(
    n: int,
    values: dict[str, list[float]] | None = None,
    events: dict[str, int] | None = None,
    first_patient: int = 0,
) -> Tally:
    """A tally of n patients; a metric that is not given has values spread over all coarse bins."""
    metrics = {}
    for name in ("volume", "pieces", "risk", "other"):
        given_values = (values or {}).get(name, [SPREAD[i % 8] + 0.5 for i in range(n)])
        metrics[name] = MetricTally(Histogram.of(given_values, CUTS), n - len(given_values))
    patients = frozenset(f"p{first_patient + i}" for i in range(n))
    happened = {event.name: EventTally((events or {}).get(event.name, 0), n) for event in EVENTS}
    return Tally(n, patients, 0, metrics, happened)


class TestCounts:
    @pytest.mark.parametrize(("count", "band"), [(0, (0, 0)), (1, (1, 4)), (4, (1, 4)), (5, (5, 5)), (70, (70, 70))])
    def test_zero_a_few_or_exact_from_k_on(self, count: int, band: tuple[int, int]) -> None:
        told = protect_count(count, K5)
        assert (told.low, told.high) == band

    def test_the_site_may_allow_exact_counts(self) -> None:
        assert protect_count(3, EXACT) == CountBand.exactly(3)
        assert protect_count(20, EXACT, 20) == CountBand.exactly(20)

    @pytest.mark.parametrize(
        ("count", "out_of", "band"),
        [
            (0, 20, (0, 0)), (4, 20, (1, 4)), (5, 20, (5, 5)), (15, 20, (15, 15)), (16, 20, (16, 20)),
            (20, 20, (16, 20)), (5, 6, (5, 6)), (6, 6, (5, 6)), (1, 5, (1, 5)), (5, 5, (1, 5)), (0, 5, (0, 0)),
        ],
    )  # fmt: skip
    def test_a_few_that_are_left_over_are_hidden_as_well(self, count: int, out_of: int, band: tuple[int, int]) -> None:
        told = protect_count(count, K5, out_of)
        assert (told.low, told.high) == band

    @given(k=st.integers(3, 12), more=st.integers(0, 40))
    def test_a_band_holds_every_count_that_is_told_as_it_and_two_at_least(self, k: int, more: int) -> None:
        """Whoever knows the rule learns no more from a band than its two ends."""
        told: dict[tuple[int, int], set[int]] = {}
        for count in range(k + more + 1):
            band = protect_count(count, Policy(k), k + more)
            told.setdefault((band.low, band.high), set()).add(count)
        for (low, high), counts in told.items():
            assert counts == set(range(low, high + 1))
            assert low == high or len(counts) >= 2
        assert all(band[0] != band[1] for band, counts in told.items() if k + more in counts)

    def test_fewer_than_k_patients_are_never_released(self) -> None:
        assert not releasable(counted(4), K5)
        assert releasable(counted(5), K5)
        with pytest.raises(ValueError, match="fewer than k"):
            protect(counted(4), K5, EVENTS)

    def test_one_patient_with_many_cases_is_one_patient(self) -> None:
        many = Tally(30, frozenset({"p"}), 0, {}, {})
        assert not releasable(many, K5)

    @pytest.mark.parametrize(("n", "bins"), [(5, 8), (49, 8), (50, 16), (199, 16), (200, 32)])
    def test_edges_follow_n_alone(self, n: int, bins: int) -> None:
        assert finest_resolution(n) == bins
        shown = protect(counted(n), K5, EVENTS).metrics["other"].histogram
        assert shown is not None
        assert shown.resolution == bins


class TestFunnel:
    def test_a_total_is_told_no_closer_than_its_parts(self) -> None:
        told = protect_funnel(40, 2, {"localizer": 3, "not_ct": 9}, K5)
        assert told["scored"] == CountBand.exactly(40)
        assert told["failed"] == CountBand(low=1, high=4)
        assert told["refused"] == CountBand(low=10, high=13)
        assert told["received"] == CountBand(low=51, high=57)

    @given(
        scored=st.integers(0, 60),
        failed=st.integers(0, 12),
        reasons=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 12)),
    )
    def test_no_hidden_part_can_be_found_by_subtraction(
        self, scored: int, failed: int, reasons: dict[str, int]
    ) -> None:
        told = protect_funnel(scored, failed, reasons, K5)
        parts = [told["scored"], told["failed"], *told["refused_by_reason"].values()]
        truth = [scored, failed, *(reasons[name] for name in sorted(reasons))]
        assert all(band.low <= count <= band.high for band, count in zip(parts, truth, strict=True))
        assert told["received"].low <= sum(truth) <= told["received"].high
        for total, bands in ((told["received"], parts), (told["refused"], parts[2:])):
            assert not narrows(bands, total.low, total.high)


class TestImplied:
    histogram = Histogram((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), (3, 1, 0, 2, 0, 0, 4, 5))

    def test_below_a_cut(self) -> None:
        assert implied(Trace("m", "below", 2.0), self.histogram) == (4, 4)

    def test_below_between_two_cuts(self) -> None:
        assert implied(Trace("m", "below", 1.5), self.histogram) == (3, 4)

    def test_from_a_cut_and_between_two(self) -> None:
        assert implied(Trace("m", "from", 6.0), self.histogram) == (9, 9)
        assert implied(Trace("m", "from", 6.5), self.histogram) == (5, 9)

    def test_an_event_with_a_fixed_value_is_bounded_by_that_values_bin(self) -> None:
        assert implied(Trace("m", "at", 3.5), self.histogram) == (0, 2)
        assert implied(Trace("m", "at", 3.0), self.histogram) == (0, 2)
        assert implied(Trace("m", "at", -9.0), self.histogram) == (0, 3)
        assert implied(Trace("m", "at", 7.0), self.histogram) == (0, 5)


class TestNarrows:
    def test_a_known_sum_tells_the_only_hidden_part(self) -> None:
        hidden, known = CountBand(low=1, high=4), CountBand.exactly(7)
        assert narrows([hidden, known], 9, 9)
        assert not narrows([hidden, known], 8, 11)

    def test_the_sum_of_many_hidden_parts_hides_each(self) -> None:
        hidden = [CountBand(low=1, high=4)] * 4
        assert not narrows(hidden, 10, 10)
        assert narrows(hidden, 4, 4)
        assert narrows(hidden, 15, 15)

    @given(
        bands=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4),
        ends=st.tuples(st.integers(0, 16), st.integers(0, 16)),
    )
    def test_it_agrees_with_trying_every_possibility(self, bands: list[tuple[int, int]], ends: tuple[int, int]) -> None:
        parts = [CountBand(low=min(pair), high=max(pair)) for pair in bands]
        low, high = min(ends), max(ends)
        possible = [
            choice
            for choice in product(*(range(part.low, part.high + 1) for part in parts))
            if low <= sum(choice) <= high
        ]
        if not possible:
            return
        seen = [(min(column), max(column)) for column in zip(*possible, strict=True)]
        tightened = any(
            not part.exact and pair != (part.low, part.high) for part, pair in zip(parts, seen, strict=True)
        )
        assert narrows(parts, low, high) == tightened


class TestWindow:
    def test_a_small_number_of_undefined_values_withholds_the_distribution(self) -> None:
        told = protect(counted(20, {"other": [SPREAD[i % 8] + 0.5 for i in range(17)]}), K5, EVENTS).metrics["other"]
        assert told.histogram is None
        assert told.undefined == CountBand(low=1, high=4)

    @pytest.mark.parametrize("undefined", [0, 5, 15])
    def test_none_or_many_undefined_values_do_not(self, undefined: int) -> None:
        values = [SPREAD[i % 8] + 0.5 for i in range(20 - undefined)]
        told = protect(counted(20, {"other": values}), K5, EVENTS).metrics["other"]
        assert told.histogram is not None
        assert told.histogram.total == 20 - undefined
        assert told.undefined == CountBand.exactly(undefined)

    def test_a_distribution_over_fewer_than_k_values_is_withheld(self) -> None:
        told = protect(counted(20, {"other": [0.5, 9.5, 20.5]}), K5, EVENTS).metrics["other"]
        assert told.histogram is None
        assert told.undefined == CountBand(low=16, high=20)

    def test_a_cell_that_holds_everybody_is_withheld(self) -> None:
        told = protect(counted(20, {"other": [0.5] * 20}), K5, EVENTS).metrics["other"]
        assert told.histogram is None

    def test_a_cell_that_holds_everybody_on_fine_edges_too(self) -> None:
        told = protect(counted(300, {"other": [0.5] * 299 + [9.5]}), K5, EVENTS).metrics["other"]
        assert told.histogram is not None
        assert told.histogram.resolution == 32

    def test_all_cases_having_an_event_is_not_told_of_each(self) -> None:
        told = protect(counted(12, {"volume": [0.0] * 12}, {"empty_mask": 12}), K5, EVENTS)
        assert told.events["empty_mask"].count == CountBand(low=8, high=12)
        assert told.metrics["volume"].histogram is None

    @pytest.mark.parametrize("undefined", [16, 20])
    def test_all_values_being_undefined_is_not_told_of_each(self, undefined: int) -> None:
        told = protect(counted(20, {"other": [0.5, 9.5, 20.5, 31.5][undefined - 16 :][: 20 - undefined]}), K5, EVENTS)
        assert told.metrics["other"].undefined == CountBand(low=16, high=20)

    def test_the_bin_of_empty_masks_must_not_tell_how_few_there_are(self) -> None:
        two_empty = [0.0] * 2 + [8.5 + i for i in range(18)]
        told = protect(counted(20, {"volume": two_empty}, {"empty_mask": 2}), K5, EVENTS)
        assert told.events["empty_mask"].count == CountBand(low=1, high=4)
        assert told.metrics["volume"].histogram is None  # its first bin would say "at most 2"

    def test_a_first_bin_with_enough_other_cases_hides_them(self) -> None:
        two_empty = [0.0] * 2 + [2.5] * 6 + [8.5 + i for i in range(12)]
        told = protect(counted(20, {"volume": two_empty}, {"empty_mask": 2}), K5, EVENTS)
        assert told.metrics["volume"].histogram is not None

    def test_a_threshold_on_a_cut_tells_a_small_count_and_is_withheld(self) -> None:
        risky = [17.5] * 3 + [2.5 + i % 12 for i in range(17)]
        told = protect(counted(20, {"risk": risky}, {"flagged": 3}), K5, EVENTS)
        assert told.metrics["risk"].histogram is None

    def test_coarser_edges_are_taken_where_they_hide(self) -> None:
        event = (Event("flagged", "", (Trace("risk", "from", 14.0),)),)
        risky = [14.5] * 3 + [12.5] * 30 + [2.5 + i % 8 for i in range(167)] + [20.5] * 0
        tally = counted(200, {"risk": risky}, {"flagged": 3})
        shown = protect(tally, K5, event).metrics["risk"].histogram
        assert shown is not None
        assert shown.resolution == 8  # on 16 bins the cut at 14 would tell exactly 3

    def test_nothing_is_hidden_where_the_site_allows_exact_counts(self) -> None:
        two_empty = [0.0] * 2 + [8.5 + i for i in range(18)]
        told = protect(counted(20, {"volume": two_empty}, {"empty_mask": 2}), EXACT, EVENTS)
        assert told.events["empty_mask"].count == CountBand.exactly(2)
        assert told.metrics["volume"].histogram is not None

    @settings(max_examples=30)
    @given(st.data())
    def test_what_is_told_never_narrows_a_band(self, data: st.DataObject) -> None:
        """The adversary's view: every released distribution leaves each hidden count its whole band."""
        tally = draw_tally(data)
        told = protect(tally, K5, EVENTS)
        check_adversary(told)
        for name, metric in told.metrics.items():
            if metric.histogram is not None:
                assert metric.undefined == CountBand.exactly(tally.metrics[name].undefined)
                assert metric.histogram == tally.metrics[name].histogram.coarsen(metric.histogram.resolution)
        for name, event in told.events.items():
            assert event.count.low <= tally.events[name].happened <= event.count.high


def draw_tally(data: st.DataObject, first_patient: int = 0) -> Tally:
    n = data.draw(st.integers(5, 30))
    empties = data.draw(st.integers(0, min(n, 9)))
    volumes = [0.0] * empties + data.draw(
        st.lists(st.sampled_from([0.5, 1.5, 9.5, 17.5, 31.5]), min_size=n - empties, max_size=n - empties)
    )
    risks = data.draw(
        st.lists(st.sampled_from([0.5, 7.5, 15.5, 16.5, 25.5]), min_size=n - empties, max_size=n - empties)
    )
    events = {"empty_mask": empties, "flagged": sum(risk >= 16 for risk in risks)}
    return counted(n, {"volume": volumes, "pieces": volumes, "risk": risks}, events, first_patient)


def check_adversary(told: Protected) -> None:
    for event in EVENTS:
        for trace in event.traces:
            histogram = told.metrics[trace.metric].histogram
            if histogram is not None:
                assert not narrows([told.events[event.name].count], *implied(trace, histogram))


class TestBaseline:
    def parts(self, *tallies: Tally) -> list[tuple[Tally, Protected]]:
        return [(tally, protect(tally, K5, EVENTS)) for tally in tallies]

    def told(self, parts: list[tuple[Tally, Protected]]) -> Protected:
        total = sum((tally for tally, _ in parts[1:]), start=parts[0][0])
        return protect(total, K5, EVENTS, parts)

    def test_the_sum_of_open_windows_is_open(self) -> None:
        parts = self.parts(*(counted(20, first_patient=20 * i) for i in range(5)))
        told = self.told(parts)
        assert told.metrics["other"].histogram is not None
        assert told.metrics["other"].histogram.resolution == 16

    def test_one_hidden_window_stays_hidden_in_the_sum(self) -> None:
        hidden = counted(20, {"other": [SPREAD[i % 8] + 0.5 for i in range(17)]}, {"empty_mask": 3})
        parts = self.parts(hidden, *(counted(20, first_patient=20 * i) for i in range(1, 5)))
        told = self.told(parts)
        assert told.metrics["other"].histogram is None
        assert told.metrics["other"].undefined == CountBand(low=1, high=4)
        assert told.events["empty_mask"].count == CountBand(low=1, high=4)

    def test_the_sum_of_many_hidden_windows_may_be_told(self) -> None:
        windows = [
            counted(20, {"other": [SPREAD[i % 8] + 0.5 for i in range(20 - u)]}, {"empty_mask": u}, 20 * u + 100 * j)
            for j in range(2)
            for u in (1, 2, 3, 4)
        ]
        told = self.told(self.parts(*windows))
        assert told.events["empty_mask"].count == CountBand.exactly(20)
        assert told.metrics["other"].histogram is not None
        assert told.metrics["other"].undefined == CountBand.exactly(20)

    def test_a_window_withheld_for_being_all_alike_is_not_uncovered_by_subtraction(self) -> None:
        alike = counted(20, {"other": [0.5] * 20})
        told = self.told(self.parts(alike, *(counted(20, first_patient=20 * i) for i in range(1, 4))))
        assert told.metrics["other"].histogram is None

    @settings(max_examples=30)
    @given(st.data())
    def test_subtracting_the_open_windows_from_the_sum_uncovers_nothing(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(2, 5))
        parts = self.parts(*(draw_tally(data, 1000 * i) for i in range(count)))
        told = self.told(parts)
        total = sum((tally for tally, _ in parts[1:]), start=parts[0][0])
        for name in total.metrics:
            mine, shown = [p.metrics[name] for _, p in parts], told.metrics[name].histogram
            if shown is None:
                continue
            undefined = [metric.undefined for metric in mine]
            known = total.case_count - shown.total
            assert not narrows(undefined, known, known)
            rest = shown.coarsen(8)
            for metric in mine:
                if metric.histogram is not None:
                    rest = minus(rest, metric.histogram.coarsen(8))
            hidden = [p for _, p in parts if p.metrics[name].histogram is None]
            for event in EVENTS:
                for trace in event.traces:
                    if trace.metric == name and hidden:
                        assert not narrows([p.events[event.name].count for p in hidden], *implied(trace, rest))
        for event in EVENTS:
            band = told.events[event.name].count
            assert not narrows([p.events[event.name].count for _, p in parts], band.low, band.high)
            assert band.low <= total.events[event.name].happened <= band.high


def minus(a: Histogram, b: Histogram) -> Histogram:
    return Histogram(a.cuts, tuple(x - y for x, y in zip(a.counts, b.counts, strict=True)))


def test_a_sum_of_bands_is_their_ends_added() -> None:
    assert sum_of([CountBand(low=1, high=4), CountBand.exactly(6)]) == CountBand(low=7, high=10)
    assert sum_of([]) == CountBand.exactly(0)
