"""One stream, one value at a time: page, restart, survive a crash."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.detector_simulation import RankStreams, rank_pages
from shared.statistics.betting import ShiftBets
from shared.statistics.detectors import (
    DetectorStep,
    RankDetector,
    RateDetector,
    accepted_rate,
    public_statistic,
)
from shared.statistics.errors import BaselineTooSmall, StateMismatch, StatisticsError, UndefinedValue

quick = settings(max_examples=25, deadline=None)


def shifted_stream(before: int, after: int, shift: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(before + after) + np.repeat([0.0, shift], [before, after])


@pytest.fixture(scope="module")
def baseline() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(300)


def first_page(detector: RankDetector, stream: np.ndarray) -> tuple[int, DetectorStep] | None:
    steps = ((i, detector.update(float(value), 0.5)) for i, value in enumerate(stream))
    return next(((i, step) for i, step in steps if step.paged), None)


def test_a_shift_pages_soon_and_tells_since_when(baseline):
    detector = RankDetector(baseline, alternative="greater", log_threshold=14.0)
    at, step = first_page(detector, shifted_stream(100, 100, 1.5))
    assert 105 <= at < 130
    assert step.log_statistic >= 14
    assert abs(step.since - 100) <= 6
    assert detector.pages_total == 1
    assert detector.log_statistic == pytest.approx(-50)  # the evidence restarted
    assert detector.stream_n == at + 1  # the ranks did not
    assert len(detector.values) == 300 + at + 1


def test_direction_is_told_apart(baseline):
    falling = shifted_stream(50, 80, -1.5)
    assert first_page(RankDetector(baseline, alternative="greater", log_threshold=14.0), falling) is None
    assert first_page(RankDetector(baseline, alternative="less", log_threshold=14.0), falling) is not None


def test_greater_and_less_mirror_each_other(baseline):
    stream = shifted_stream(20, 30, 0.5)
    up = RankDetector(baseline, alternative="greater", log_threshold=17.0)
    down = RankDetector(-baseline, alternative="less", log_threshold=17.0)
    assert [up.update(x, 0.3) for x in stream] == [down.update(-x, 0.3) for x in stream]


@quick
@given(st.sampled_from([np.exp, np.arctan, lambda x: 5 * x - 100]))
def test_any_increasing_scale_gives_the_same_evidence(scale):
    values = np.random.default_rng(5).standard_normal(150)
    plain = RankDetector(values[:100], alternative="greater", log_threshold=17.0)
    scaled = RankDetector(scale(values[:100]), alternative="greater", log_threshold=17.0)
    for x in values[100:]:
        assert plain.update(x).log_statistic == scaled.update(float(scale(x))).log_statistic


def test_one_stream_agrees_with_the_simulation_of_many():
    values = np.random.default_rng(2).standard_normal((260, 4)) + np.repeat([0, 1.2], [160, 100])[:, None]
    expected = rank_pages(RankStreams.of(values, 100), ShiftBets(), 8.0)
    for i in range(4):
        detector = RankDetector(values[:100, i], alternative="greater", log_threshold=8.0)
        assert [detector.update(x).paged for x in values[100:, i]] == expected[:, i].tolist()
    assert expected.any()


@pytest.mark.parametrize("with_values", [True, False])
def test_a_crash_after_any_case_loses_nothing(baseline, with_values):
    stream = shifted_stream(30, 40, 2.0)
    whole = RankDetector(baseline, alternative="greater", log_threshold=9.0)
    expected = [whole.update(x, 0.4) for x in stream]
    assert any(step.paged for step in expected)
    broken = RankDetector(baseline, alternative="greater", log_threshold=9.0)
    steps = []
    for x in stream:
        kept = broken.values
        state = json.loads(json.dumps(broken.to_state(with_values=with_values)))
        broken.update(x, 0.4)  # done, but never stored
        broken = RankDetector.from_state(state, None if with_values else kept)
        steps.append(broken.update(x, 0.4))
    assert steps == expected
    assert broken.to_state() == whole.to_state()


def test_state_without_values_stays_small(baseline):
    detector = RankDetector(baseline, alternative="less", log_threshold=17.0)
    for x in shifted_stream(400, 0, 0.0):
        detector.update(x)
    assert len(json.dumps(detector.to_state(with_values=False))) < 10_000


def test_foreign_states_are_refused(baseline):
    detector = RankDetector(baseline, alternative="greater", log_threshold=17.0)
    detector.update(0.0)
    with pytest.raises(StateMismatch):
        RankDetector.from_state(detector.to_state(with_values=False))
    with pytest.raises(StateMismatch):
        RankDetector.from_state(detector.to_state(), baseline)  # one value short
    with pytest.raises(StateMismatch):
        RankDetector.from_state(detector.to_state() | {"version": 0})
    with pytest.raises(StateMismatch):
        RateDetector.from_state(detector.to_state())


@pytest.mark.parametrize(("value", "u"), [(math.nan, 0.5), (math.inf, 0.5), (0.0, 0.0), (0.0, 1.0)])
def test_undefined_input_is_refused_and_changes_nothing(baseline, value, u):
    detector = RankDetector(baseline, alternative="greater", log_threshold=17.0)
    before = detector.to_state()
    with pytest.raises(UndefinedValue):
        detector.update(value, u)
    assert detector.to_state() == before


@pytest.mark.parametrize("values", [[], [1.0]])
def test_too_small_a_baseline_is_refused(values):
    with pytest.raises(BaselineTooSmall):
        RankDetector(values, alternative="greater", log_threshold=17.0)


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan, math.inf, 1e6])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(StatisticsError):
        RankDetector([1.0, 2.0], alternative="greater", log_threshold=threshold)


def test_unknown_alternative_is_refused():
    with pytest.raises(StatisticsError):
        RankDetector([1.0, 2.0], alternative="both", log_threshold=17.0)  # type: ignore[arg-type]


def test_all_equal_values_are_no_evidence():
    detector = RankDetector([3.0] * 100, alternative="greater", log_threshold=14.0)
    steps = [detector.update(3.0) for _ in range(300)]
    assert not any(step.paged for step in steps)
    assert steps[-1].log_statistic == pytest.approx(math.log(300))  # R_t - t stays 0


def test_p_value_needs_a_tie_break(baseline):
    detector = RankDetector(baseline, alternative="greater", log_threshold=17.0)
    assert detector.update(0.0).p_value is None
    assert 0 < detector.update(9.0, 0.5).p_value < 0.01


def test_rising_rate_pages_and_survives_a_crash():
    rng = np.random.default_rng(4)
    events = np.concatenate([rng.random(300) < 0.05, rng.random(200) < 0.4])
    detector = RateDetector(accepted_rate(15, 300), log_threshold=14.0, baseline_n=300)
    pages = []
    for i, event in enumerate(events):
        detector = RateDetector.from_state(json.loads(json.dumps(detector.to_state())))
        step = detector.update(int(event), int(event), 1)
        if step.paged:
            pages.append((i, step.since))
    assert pages
    assert 310 <= pages[0][0] < 400
    assert abs(pages[0][1] - 300) < 20
    assert detector.pages_total == len(pages)
    assert (detector.baseline_n, detector.stream_n, detector.alternative) == (300, 500, "greater")


def test_rate_below_the_accepted_one_gathers_nothing():
    detector = RateDetector(0.2, log_threshold=14.0)
    for i in range(800):
        assert not detector.update(int(i % 10 == 0), int(i % 10 == 0), 1).paged
    assert detector.log_statistic < 6


@pytest.mark.parametrize(("low", "high", "out_of"), [(-1, 2, 5), (3, 2, 5), (1, 6, 5), (0, 0, 0)])
def test_an_impossible_count_is_refused_and_changes_nothing(low, high, out_of):
    detector = RateDetector(0.2, log_threshold=14.0)
    with pytest.raises(UndefinedValue):
        detector.update(low, high, out_of)
    assert detector.stream_n == 0


def test_a_page_on_a_huge_count_can_be_told():
    step = RateDetector(0.001, log_threshold=17.0).update(5000, 5000, 5000)
    assert (step.paged, step.since) == (True, 0)


def test_hidden_counts_page_later_than_known_ones():
    known, hidden = (RateDetector(accepted_rate(10, 100), log_threshold=14.0) for _ in range(2))
    first = [next(i for i in range(500) if d.update(*c, 6).paged) for d, c in ((known, (4, 4)), (hidden, (1, 4)))]
    assert first[0] < first[1]


def test_accepted_rate_on_paper():
    assert accepted_rate(0, 100, 0.95) == pytest.approx(1 - 0.05 ** (1 / 100))  # the rule of three
    assert accepted_rate(100, 100) < 1  # nothing can exceed it, and a detector can still be made
    RateDetector(accepted_rate(100, 100), log_threshold=14.0)


def test_accepted_rate_lies_above_the_true_one_as_often_as_promised():
    rng = np.random.default_rng(6)
    rates = [accepted_rate(int(k), 100) for k in rng.binomial(100, 0.1, 2000)]
    assert np.mean(np.array(rates) >= 0.1) >= 0.985


@quick
@given(st.floats(1.0, 40.0), st.floats(-1.0, 1.0))
@example(17.007357710444555, 0.02)
@example(16.96, -0.01)
def test_rounding_takes_no_statistic_across_the_line(threshold, beside):
    """A page whose evidence lay below its own line could not be explained to anybody."""
    statistic = threshold + beside
    assert (public_statistic(statistic, threshold) >= threshold) == (statistic >= threshold)


@quick
@given(st.floats(-60, 400), st.floats(0.5, 200))
def test_public_statistic_is_bounded_and_rounded(statistic, threshold):
    told = public_statistic(statistic, threshold)
    assert 0 <= told <= threshold + 1.05
    assert told == round(told, 1)
    if 0 <= statistic <= threshold:
        assert abs(told - statistic) <= (0.05 if abs(statistic - threshold) > 0.05 else 0.1) + 1e-9
