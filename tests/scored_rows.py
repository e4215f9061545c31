"""Rows of an evaluation whose truths are known: drawn, or told case by case."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hospital_agent.evaluation.rows import Condition, Scored, Split

FAMILIES = ("bias_field", "spikes")
AS_IT_IS = Condition()


def scored(
    patient: str,
    dice: float | None,
    values: Mapping[str, float | None],
    condition: Condition = AS_IT_IS,
    split: Split = "test",
    **more: Any,
) -> Scored:
    """One row; distances and calibration follow from the Dice, so that tables have something to show."""
    told: dict[str, Any] = {
        "task": "phantom",
        "seed": 0,
        "case": f"{patient}_frame1",
        "label_dice": {"1": dice},
        "hd95_mm": None if dice is None else 20 * (1 - dice),
        "assd_mm": None if dice is None else 4 * (1 - dice),
        "ece": None if dice is None else (1 - dice) / 2,
        "mce": None if dice is None else 1 - dice,
    }
    return Scored(patient=patient, dice=dice, values=values, condition=condition, split=split, **{**told, **more})


def drawn_rows(noise: Mapping[str, float], seeds: int = 3, patients: int = 8) -> list[Scored]:
    """Validation and test patients under two families at three strengths: the stronger, the lower the Dice.

    Args:
        noise: method -> SD of the noise on its score, which is 1 - Dice without any.
    """
    random = np.random.default_rng(0)
    conditions = [AS_IT_IS, *(Condition(family, strength) for family in FAMILIES for strength in (1, 2, 3))]
    rows = []
    for seed in range(seeds):
        for split in ("validation", "test"):
            for patient in range(patients):
                for condition in conditions:
                    dice = float(np.clip(0.9 - 0.14 * condition.strength + 0.07 * random.normal(), 0, 1))
                    values = {name: max(0.0, 1 - dice + sd * random.normal()) for name, sd in noise.items()}
                    values["volume"] = -100 * dice + 20 * random.normal()
                    seconds = dict.fromkeys(noise, 0.5)
                    name = f"{split}{patient}"
                    rows.append(scored(name, dice, values, condition, split, seed=seed, seconds=seconds))  # type: ignore[arg-type]
    return rows
