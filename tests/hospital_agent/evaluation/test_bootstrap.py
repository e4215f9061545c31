"""Paired intervals: what they resample, and that they say what is true of drawn cases."""

import numpy as np
import pytest

from hospital_agent.evaluation.bootstrap import Difference, compare
from hospital_agent.evaluation.rows import Condition, Method
from hospital_agent.evaluation.summary import result_rows
from tests.scored_rows import drawn_rows, scored

GOOD, POOR = Method("good"), Method("poor")


def by_measure(differences: list[Difference], other: str) -> dict[str, Difference]:
    return {one.measure: one for one in differences if one.other == other}


@pytest.fixture(scope="module")
def rows():
    return drawn_rows({"good": 0.02, "poor": 0.6, "twin": 0.02})


def test_the_estimate_is_the_difference_of_the_macro_rows(rows):
    table = {(row.method, row.seed): row for row in result_rows(rows, [GOOD, POOR]) if row.shift == "macro"}
    found = by_measure(compare(rows, [GOOD, POOR], "good", draws=50), "poor")
    for measure, difference in found.items():
        seeds = [getattr(table["good", seed], measure) - getattr(table["poor", seed], measure) for seed in range(3)]
        assert difference.seeds == pytest.approx(seeds)
        assert difference.estimate == pytest.approx(np.mean(seeds))
        assert difference.seed_range == pytest.approx((min(seeds), max(seeds)))
        assert difference.seed_sd == pytest.approx(np.std(seeds, ddof=1))


def test_a_clearly_better_method_beats_and_is_not_beaten(rows):
    found = by_measure(compare(rows, [GOOD, POOR], "good", draws=300), "poor")
    assert found["normalised_aurc"].beats
    assert found["spearman"].beats
    turned = by_measure(compare(rows, [GOOD, POOR], "poor", draws=300), "good")
    assert turned["spearman"].beaten
    assert not turned["spearman"].beats


def test_two_of_a_kind_cannot_be_told_apart_and_a_method_equals_itself(rows):
    copied = [
        scored(r.patient, r.dice, {**r.values, "same": r.values["good"]}, r.condition, r.split, seed=r.seed)
        for r in rows
    ]
    methods = [GOOD, Method("twin"), Method("same")]
    found = compare(copied, methods, "good", draws=200)
    twin, same = by_measure(found, "twin")["spearman"], by_measure(found, "same")["spearman"]
    assert not twin.beats
    assert not twin.beaten
    assert (same.estimate, same.low, same.high) == (0, 0, 0)


def test_patients_and_not_images_are_resampled():
    # Two patients with many images each: every resample is one of three mixtures, whatever the number of images.
    random = np.random.default_rng(0)
    rows = [
        scored(patient, dice, {"a": random.random(), "b": random.random()}, condition, case=f"{patient}{i}")
        for patient in ("p", "q")
        for i in range(20)
        for condition, dice in ((Condition(), 0.5 + random.random() / 2), (Condition("blur", 1), random.random()))
    ]
    own = [row for row in rows if row.patient == "p"]
    alone = compare(own, [Method("a"), Method("b")], "a", draws=50)
    assert all(one.low == one.high == pytest.approx(one.estimate) for one in alone)
    assert alone[0].patients == 1
    assert compare(rows, [Method("a"), Method("b")], "a", draws=200)[0].patients == 2


def test_a_case_without_a_score_leaves_both_sides():
    told = drawn_rows({"good": 0.05, "poor": 0.4}, seeds=1)
    gone = [i for i, row in enumerate(told) if row.dice is not None and row.dice < 0.5][::2]
    holed = [
        scored(
            row.patient, row.dice, {**row.values, "poor": None} if i in gone else row.values, row.condition, row.split
        )
        for i, row in enumerate(told)
    ]
    kept = [row for i, row in enumerate(told) if i not in gone]
    a, b = (by_measure(compare(rows, [GOOD, POOR], "good", draws=20), "poor")["spearman"] for rows in (holed, kept))
    assert a.estimate == pytest.approx(b.estimate)


def test_where_nothing_failed_there_is_no_interval():
    rows = [
        scored(name, 0.9 + i / 100, {"a": float(i), "b": -float(i)}, condition)
        for i, name in enumerate("abcd")
        for condition in (Condition(), Condition("blur", 1))
    ]
    found = by_measure(compare(rows, [Method("a"), Method("b")], "a", draws=50), "b")["failure_sensitivity"]
    assert (found.estimate, found.low, found.high, found.beats) == (None, None, None, False)


def test_the_same_seed_gives_the_same_interval(rows):
    one, two = (compare(rows, [GOOD, POOR], "good", draws=100, seed=5) for _ in range(2))
    assert one == two
    assert one != compare(rows, [GOOD, POOR], "good", draws=100, seed=6)


def test_fewer_than_three_seeds_have_no_sd():
    assert Difference("b", "spearman", 0.1, 0.0, 0.2, (0.1, 0.1), 5).seed_sd is None
    assert Difference("b", "spearman", None, None, None, (None,), 5).seed_range is None
