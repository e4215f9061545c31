"""The detectors of a site: which there are, that they page on a change, and that a restart changes nothing."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from hospital_agent.reporting.aggregate import CountedCase
from hospital_agent.reporting.detectors import LEAST_BASELINE_VALUES, DetectorBank
from hospital_agent.reporting.events import Event
from shared.quantities import Direction, Quantity, linear_cuts
from shared.report import CountBand, EventSummary
from shared.statistics.errors import StateMismatch

START = datetime(2026, 3, 2, tzinfo=UTC)


def quantity(name: str, direction: Direction, version: int = 1) -> Quantity:
    return Quantity(name, "", direction, -99.0, 99.0, version, linear_cuts(-5.0, 5.0), name.title())


WORSE, BETTER, EITHER = (
    quantity("risk", "higher_is_worse"),
    quantity("dice", "higher_is_better"),
    quantity("size", "neither"),
)
QUANTITIES = (WORSE, BETTER, EITHER)
EVENTS = (Event("flagged", "Flagged", watched=True), Event("outside_lungs", "Outside"))
LINE = 6.0


def draw(n: int, seed: int, shift: float = 0.0, flagged: float = 0.1, undefined: float = 0.2) -> list[CountedCase]:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        values: dict[str, float | None] = {q.name: float(rng.normal()) for q in QUANTITIES}
        values["risk"] = float(rng.normal() + shift)
        if rng.random() < undefined:
            values["size"] = None
        rows.append(CountedCase(f"p{seed}-{i}", values, {"flagged": bool(rng.random() < flagged)}))
    return rows


def told(low: int, high: int, out_of: int, name: str = "flagged") -> EventSummary:
    return EventSummary(name=name, label=name, count=CountBand(low=low, high=high), out_of=out_of)


def bank_of(baseline: list[CountedCase]) -> DetectorBank:
    return DetectorBank.freeze(baseline, [told(10, 10, 100)], QUANTITIES, EVENTS, LINE)


def feed(bank: DetectorBank, rows: list[CountedCase], first: int = 0, per_window: int = 10) -> list[tuple[int, str]]:
    pages = []
    for i, row in enumerate(rows, start=first):
        start = START + timedelta(days=i // per_window)
        pages += [(i, page.detector) for page in bank.feed(row, 0.5, start)]
    return pages


def test_each_quantity_is_watched_where_it_is_worse_and_each_watched_event_as_a_rate() -> None:
    states = bank_of(draw(100, 0)).told(100, 0)
    assert [(d.metric, d.kind, d.alternative) for d in states] == [
        ("risk", "rank", "greater"),
        ("dice", "rank", "less"),
        ("size", "rank", "greater"),
        ("size", "rank", "less"),
        ("flagged", "rate", "greater"),
    ]


def test_a_quantity_with_too_few_baseline_values_is_not_watched() -> None:
    rows = [CountedCase(r.patient, {**r.values, "size": None}, r.events) for r in draw(100, 0)]
    some = [CountedCase("x", {"size": 1.0}, {})] * (LEAST_BASELINE_VALUES - 1)
    states = bank_of([*rows, *some]).told(100, 0)
    assert "size" not in {d.metric for d in states}


def test_an_event_of_which_the_baseline_tells_nothing_is_not_watched() -> None:
    bank = DetectorBank.freeze(draw(100, 0), [], QUANTITIES, EVENTS, LINE)
    assert "flagged" not in {d.metric for d in bank.told(100, 0)}


def test_a_shift_pages_on_its_own_detector_and_says_since_when() -> None:
    bank = bank_of(draw(100, 0))
    assert feed(bank, draw(60, 1)) == []
    pages = feed(bank, draw(40, 2, shift=2.5), first=60)
    assert {name for _, name in pages} == {"risk:greater"}
    state = next(d for d in bank.told(100, 100) if d.metric == "risk")
    assert state.pages_in_window >= 1
    assert state.highest_log_statistic >= LINE
    assert state.evidence_since is not None
    assert START + timedelta(days=4) <= state.evidence_since <= START + timedelta(days=8)


def test_a_rise_of_a_rate_pages() -> None:
    bank = bank_of(draw(100, 0))
    assert bank.feed_told([told(1, 4, 20)], START) == []
    (page,) = bank.feed_told([told(17, 20, 20), told(1, 4, 20, "outside_lungs")], START + timedelta(days=1))
    assert (page.detector, page.since) == ("flagged:rate", START + timedelta(days=1))


def test_a_rate_is_watched_from_what_is_told_and_not_from_the_cases() -> None:
    states = set()
    for flagged in (0.0, 0.5, 1.0):
        bank = bank_of(draw(100, 0))
        feed(bank, draw(10, 3, flagged=flagged))
        bank.feed_told([told(1, 4, 10)], START)
        states.add(next(d for d in bank.told(100, 10) if d.kind == "rate"))
    assert len(states) == 1


def test_an_event_that_a_window_does_not_tell_is_no_evidence() -> None:
    bank = bank_of(draw(100, 0))
    bank.feed_told([told(3, 3, 20)], START)
    before = bank.states()["flagged:rate"]
    bank.feed_told([], START + timedelta(days=1))
    assert bank.states()["flagged:rate"] == before


def test_what_is_told_is_bounded_and_rounded() -> None:
    bank = bank_of(draw(100, 0))
    feed(bank, draw(30, 2, shift=4.0))
    for state in bank.told(100, 30):
        for value in (state.log_statistic, state.highest_log_statistic):
            assert 0 <= value <= LINE + 1
            assert value == round(value, 1)


def test_counts_are_the_same_for_all_detectors() -> None:
    bank = bank_of(draw(100, 0))
    feed(bank, draw(30, 1, undefined=0.5))
    assert {(d.baseline_n, d.stream_n) for d in bank.told(100, 30)} == {(100, 30)}


def test_a_new_window_forgets_its_pages_and_keeps_the_total() -> None:
    bank = bank_of(draw(100, 0))
    feed(bank, draw(40, 2, shift=3.0))
    before = next(d for d in bank.told(100, 40) if d.metric == "risk")
    bank.begin_window()
    after = next(d for d in bank.told(100, 40) if d.metric == "risk")
    assert (after.pages_in_window, after.pages_total) == (0, before.pages_total)
    assert before.pages_total > 0


@pytest.mark.parametrize("cut", [0, 1, 17, 40])
def test_a_restart_anywhere_changes_nothing(cut: int) -> None:
    baseline, stream = draw(100, 0), draw(40, 2, shift=1.0)
    whole = bank_of(baseline)
    feed(whole, stream[:cut])
    whole.feed_told([told(1, 4, 20)], START)
    states = json.loads(json.dumps(whole.states()))
    fed = [(row, START + timedelta(days=i // 10)) for i, row in enumerate(stream[:cut])]
    restored = DetectorBank.restore(states, baseline, fed, QUANTITIES, EVENTS)
    whole.begin_window()
    for bank in (whole, restored):
        bank.feed_told([told(9, 9, 20)], START + timedelta(days=9))
    assert feed(whole, stream[cut:], first=cut) == feed(restored, stream[cut:], first=cut)
    assert whole.told(100, 40) == restored.told(100, 40)
    assert whole.states() == restored.states()


def test_a_quantity_whose_definition_changed_is_not_continued() -> None:
    baseline = draw(100, 0)
    states = bank_of(baseline).states()
    changed = (quantity("risk", "higher_is_worse", version=2), BETTER, EITHER)
    left = DetectorBank.restore(states, baseline, [], changed, EVENTS).told(100, 0)
    assert {d.metric for d in left} == {"dice", "size", "flagged"}


def test_states_of_another_version_of_the_detectors_are_refused() -> None:
    baseline = draw(100, 0)
    states = bank_of(baseline).states()
    states["risk:greater"]["detector"]["version"] = 999
    with pytest.raises(StateMismatch):
        DetectorBank.restore(states, baseline, [], QUANTITIES, EVENTS)
