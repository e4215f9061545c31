"""From risk to Dice and probability: right where risk tells all, and never by the family that is asked about."""

from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.evaluation.calibrated import with_calibration
from hospital_agent.evaluation.rows import Condition, Scored

FAMILIES = ("none", "blur", "spikes")


def rows(spikes_dice: float | None = None) -> list[Scored]:
    """60 patients, half of them for validation; risk r has Dice 1 - sigmoid(r), but for one family."""
    made = []
    for number in range(60):
        for family in FAMILIES:
            risk = float(np.random.default_rng([number, len(family)]).normal(0, 2))
            dice = 1 / (1 + np.exp(risk))
            if family == "spikes" and spikes_dice is not None:
                dice = spikes_dice
            split = "validation" if number % 2 else "test"
            condition = Condition(family, int(family != "none"))
            made.append(
                Scored("t", 0, split, f"p{number}", f"p{number}", condition, dice, {}, *[None] * 4, {"fused": risk})
            )
    return made


def predicted(found: list[Scored], family: str) -> dict[str, float]:
    return {
        row.case: row.values["fused_predicted_dice"]  # type: ignore[misc]
        for row in found
        if row.split == "test" and row.condition.family == family
    }


def test_a_risk_that_tells_all_predicts_dice_and_failures() -> None:
    found = with_calibration(rows(), "fused")
    test = [row for row in found if row.split == "test"]
    for row in test:
        assert row.values["fused_predicted_dice"] == pytest.approx(row.dice, abs=0.02)
    chance = np.array([row.values["fused_failure_probability"] for row in test], dtype=float)
    failed = np.array([(row.dice or 0) < 0.6 for row in test])
    assert chance[failed].min() > chance[~failed].max() - 0.01  # each family has a line of its own
    assert chance.mean() == pytest.approx(failed.mean(), abs=0.1)
    assert not any("fused_predicted_dice" in row.values for row in found if row.split == "validation")


def test_what_a_family_does_to_dice_is_not_told_to_its_own_predictions() -> None:
    plain, other = with_calibration(rows(), "fused"), with_calibration(rows(spikes_dice=0.1), "fused")
    assert predicted(other, "spikes") == predicted(plain, "spikes")
    assert predicted(other, "blur") != predicted(plain, "blur")
    assert predicted(other, "none") != predicted(plain, "none")


def test_unshifted_cases_are_judged_by_the_model_that_never_saw_the_family() -> None:
    """Other risks of the model that never saw spikes move the line of spikes; those of the model of all do not."""

    def changed(name: str) -> list[Scored]:
        return [
            replace(row, values={**row.values, "fused@spikes": row.values["fused"], name: 5.0})
            if row.split == "validation" and row.condition.family == "none"
            else row
            for row in rows()
        ]

    plain = predicted(with_calibration(rows(), "fused"), "spikes")
    assert predicted(with_calibration(changed("fused"), "fused"), "spikes") == plain
    assert predicted(with_calibration(changed("fused@spikes"), "fused"), "spikes") != plain


def test_without_failures_or_without_a_risk_nothing_is_predicted() -> None:
    good = [replace(row, dice=0.9) for row in rows()]
    silent = [replace(row, values={"fused": None}) for row in rows()]
    for some in (good, silent, []):
        assert with_calibration(some, "fused") == some
