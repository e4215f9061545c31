import pytest

from hospital_agent.evaluation.pooled import pooled
from hospital_agent.evaluation.rows import Condition
from tests.scored_rows import scored

BLUR, SPIKES = Condition("blur", 2), Condition("spikes", 1)


def rows(seed: int = 0):
    """Threshold 3.5; of 3 unshifted cases 2 pass, of 4 shifted ones 1."""
    validation = [scored(f"v{i}", 0.9, {"s": float(i)}, split="validation", seed=seed) for i in (1, 2, 3, 4)]
    test = (("a", 0.9, 1.0), ("b", 0.8, 3.0), ("c", 0.5, 4.0))
    shifted = (("a", 0.7, 2.0, BLUR), ("b", 0.3, 5.0, BLUR), ("a", 0.1, 9.0, SPIKES), ("b", 0.2, 8.0, SPIKES))
    return [
        *validation,
        *[scored(patient, dice, {"s": score}, seed=seed) for patient, dice, score in test],
        *[scored(patient, dice, {"s": score}, condition, seed=seed) for patient, dice, score, condition in shifted],
    ]


def test_the_papers_columns_by_hand():
    found = pooled(rows(), "s")
    assert found.fpr_at_95_tpr == pytest.approx(1 / 4)
    assert found.detection_error == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert found.coverage == pytest.approx(3 / 7)
    assert found.dice_admitted == pytest.approx(0.8)
    assert found.dice_admitted_sd == pytest.approx((0.02 / 3) ** 0.5)
    # Shifted is positive: 3 of 4 found, 2 of 3 spared, 5 of 7 right.
    assert (found.sensitivity, found.specificity) == (pytest.approx(3 / 4), pytest.approx(2 / 3))
    assert found.accuracy == pytest.approx(5 / 7)
    assert found.auc == pytest.approx((1 + 3 + 3 + 3) / 12)


def test_seeds_are_averaged_and_not_pooled():
    assert pooled([*rows(0), *rows(1)], "s") == pooled(rows(), "s")


def test_what_validation_does_not_define_stays_undefined():
    without = [row for row in rows() if row.split == "test"]
    found = pooled(without, "s")
    assert (found.coverage, found.dice_admitted, found.accuracy, found.esce) == (None, None, None, None)
    assert found.auc is not None
