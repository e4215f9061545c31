"""Rows of results.csv on cases few enough for paper."""

import pytest

from hospital_agent.evaluation.rows import Condition, Method, Scored
from hospital_agent.evaluation.summary import ResultRow, result_rows
from tests.scored_rows import AS_IT_IS, scored

MILD, SEVERE, SPIKES = Condition("blur", 1), Condition("blur", 3), Condition("spikes", 1)
SCORE = Method("score")


def validation(*scores: float) -> list[Scored]:
    return [scored(f"v{i}", 0.9, {"score": score}, split="validation") for i, score in enumerate(scores)]


def only(rows: list[ResultRow], shift: str, strength: str, method: str = "score") -> ResultRow:
    (found,) = [row for row in rows if (row.method, row.shift, row.strength) == (method, shift, strength)]
    return found


# Threshold of 1, 2, 3, 4: the mean of the two largest, 3.5. Of the unshifted cases 1 and 3 pass and 4 does not.
UNSHIFTED = [scored("a", 0.9, {"score": 1.0}), scored("b", 0.8, {"score": 3.0}), scored("c", 0.5, {"score": 4.0})]
BLURRED = [
    scored("a", 0.7, {"score": 2.0}, MILD),
    scored("b", 0.3, {"score": 5.0}, MILD),
    scored("a", 0.1, {"score": 9.0}, SEVERE),
    scored("b", 0.2, {"score": 8.0}, SEVERE),
]
ROWS = [*validation(1, 2, 3, 4), *UNSHIFTED, *BLURRED]


def test_detection_by_hand():
    rows = result_rows(ROWS, [SCORE])
    mild, severe, whole = (only(rows, "blur", strength) for strength in ("1", "3", "all"))
    assert mild.tpr_achieved == pytest.approx(2 / 3)
    assert (mild.fpr_at_95_tpr, severe.fpr_at_95_tpr, whole.fpr_at_95_tpr) == (0.5, 0.0, 0.25)
    assert mild.detection_error == pytest.approx((1 / 3 + 0.5) / 2)
    assert mild.n_validation_patients == 4
    assert (mild.n, whole.n) == (5, 7)
    # Shifted 2 and 5 against unshifted 1, 3, 4: 2 wins once, 5 three times, of six.
    assert mild.auc == pytest.approx(4 / 6)


def test_unshifted_cases_alone_have_nothing_to_detect():
    row = only(result_rows(ROWS, [SCORE]), "none", "0")
    assert (row.detection_error, row.tpr_achieved, row.fpr_at_95_tpr, row.auc) == (None, None, None, None)
    assert row.spearman == pytest.approx(1)
    assert row.normalised_aurc == pytest.approx(1)
    # Risks 0.1, 0.2, 0.5 in that order: (0.1 + 0.15 + 0.8 / 3) / 3.
    assert row.aurc == pytest.approx((0.1 + 0.15 + 0.8 / 3) / 3)
    assert row.excess_aurc == pytest.approx(0)
    assert row.failure_sensitivity == 1
    assert row.n == 3


def test_calibration_error_by_hand():
    # Validation lies in [1, 4], so the scale runs from 1 to 8: confidences 1, 5/7 and 4/7, three bins of one case.
    row = only(result_rows(ROWS, [SCORE]), "none", "0")
    assert row.esce == pytest.approx((abs(0.9 - 1) + abs(0.8 - 5 / 7) + abs(0.5 - 4 / 7)) / 3)


def test_macro_is_the_mean_over_families_of_what_is_defined():
    spikes = [scored("a", 0.85, {"score": 2.5}, SPIKES), scored("b", 0.95, {"score": 3.25}, SPIKES)]
    good = [case for case in UNSHIFTED if case.patient != "c"]
    rows = result_rows([*validation(1, 2, 3, 4), *good, *BLURRED, *spikes], [SCORE])
    blur, spiky, macro = only(rows, "blur", "all"), only(rows, "spikes", "all"), only(rows, "macro", "all")
    assert spiky.failure_sensitivity is None
    assert macro.failure_sensitivity == blur.failure_sensitivity
    assert blur.spearman is not None
    assert spiky.spearman is not None
    assert macro.spearman == pytest.approx((blur.spearman + spiky.spearman) / 2)
    assert macro.n == 2 + 4 + 2


def test_each_family_is_judged_by_the_model_that_never_saw_it():
    rows = [
        *[scored(f"v{i}", 0.9, {"s": 5.0, "s@blur": i + 1.0}, split="validation") for i in range(4)],
        *[scored(name, 0.9, {"s": 100.0, "s@blur": 1.0}) for name in "abc"],
        *[scored(name, 0.2, {"s": 50.0}, MILD) for name in "abc"],
    ]
    row = only(result_rows(rows, [Method("s", supervised=True)]), "blur", "all", "s")
    assert (row.tpr_achieved, row.fpr_at_95_tpr, row.auc, row.supervised) == (1, 0, 1, True)
    assert only(result_rows(rows, [Method("s")]), "none", "0", "s").spearman is None


def test_undefined_scores_are_counted_out_and_never_become_0():
    rows = [*ROWS, scored("d", 0.1, {"score": None}, MILD), scored("e", None, {"score": 2.0}, MILD)]
    row = only(result_rows(rows, [SCORE]), "blur", "1")
    assert row.n == 6  # d has no score; e has no Dice, and counts for detection alone
    assert row.fpr_at_95_tpr == pytest.approx(2 / 3)
    assert row.aurc == only(result_rows(ROWS, [SCORE]), "blur", "1").aurc


def test_the_trivial_methods_stand_in_every_table_and_what_cannot_run_in_none():
    rows = result_rows([scored("a", 0.9, {"volume": -3.0}), *ROWS], [SCORE, Method("gone", not_applicable="no class")])
    assert {row.method for row in rows} == {"score", "shift_strength", "volume"}
    strength = only(rows, "blur", "all", "shift_strength")
    assert (strength.detection_error, strength.auc) == (0, 1)
    assert strength.esce is None  # on validation it is always 0: a range without width


def test_a_label_that_only_one_has_is_a_failure_whatever_the_mean():
    missed = scored("c", 0.63, {"score": 4.0}, label_dice={"1": 0.95, "2": 0.94, "3": 0.0})
    good = [case for case in UNSHIFTED if case.patient != "c"]
    assert only(result_rows([*validation(1, 2), *good, missed], [SCORE]), "none", "0").failure_sensitivity == 1


def test_seeds_are_kept_apart():
    again = [scored(row.patient, row.dice, row.values, row.condition, row.split, seed=4) for row in ROWS]
    rows = result_rows([*again, *ROWS], [SCORE])
    assert [row.seed for row in rows if row.method == "score" and row.shift == "macro"] == [0, 4]
    assert all(row.task == "phantom" for row in rows)


def test_without_validation_there_is_no_threshold():
    row = only(result_rows([*UNSHIFTED, *BLURRED], [SCORE]), "blur", "all")
    assert (row.detection_error, row.esce, row.n_validation_patients) == (None, None, 0)
    assert row.auc is not None
    assert row.seconds_per_case is None


def test_seconds_are_the_mean_over_test_images():
    timed = [scored("a", 0.9, {"score": 1.0}, seconds={"score": 2.0}), scored("b", 0.8, {}, seconds={"score": 4.0})]
    assert only(result_rows(timed, [SCORE]), "none", "0").seconds_per_case == 3
    assert AS_IT_IS.strength == 0
