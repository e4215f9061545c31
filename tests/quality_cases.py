"""Cases of simulated patients whose Dice depends on their scores in a known way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from shared.quantities import Direction

Rows = list[dict[str, float | None]]


def simulated_cases(
    patients: int = 60, each: int = 4, seed: int = 0, noise: float = 0.5
) -> tuple[Rows, list[float], list[str]]:
    """Rows, Dice and patients: small, fragmented, uncertain and unusual masks are worse; patients differ."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    dice: list[float] = []
    names: list[str] = []
    for patient in range(patients):
        own = 0.3 * rng.normal()
        for _ in range(each):
            size, doubt, unusual = rng.normal(size=3)
            latent = 0.9 + 0.8 * size - 1.1 * doubt - 0.6 * unusual + own + noise * rng.normal()
            rows.append(
                {
                    "lesion_volume_ml": float(10 ** (1 + 0.6 * size)),
                    "component_count": float(rng.poisson(3) + 1),
                    "fragment_count": float(rng.poisson(np.exp(0.7 * doubt + 1))),
                    "intensity_mode_hu": float(rng.normal(-400, 150)),
                    "smoothness_5mm": None if size < -1.5 else float(expit(1 + 0.5 * size + 0.3 * rng.normal())),
                    "lesion_in_lungs": float(expit(3 - doubt + 0.5 * rng.normal())),
                    "mean_entropy": float(10 ** (-3 + 0.5 * size + 0.3 * doubt)),
                    "mean_entropy_foreground": float(expit(-1 + 0.6 * doubt + 0.2 * rng.normal())),
                    "soft_dice_confidence": float(expit(-1.5 + 0.7 * doubt + 0.2 * rng.normal())),
                    "mahalanobis_log10": float(0.1 * unusual + 0.02 * rng.normal()),
                }
            )
            dice.append(float(np.clip(expit(latent), 0, 1)))
            names.append(f"patient-{patient}")
    return rows, dice, names


def columns_and_dice(
    cases: int = 120, columns: int = 4, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardised columns, and a Dice that falls with the first two (the first bent), among all five bins."""
    rng = np.random.default_rng(seed)
    table = np.clip(rng.normal(size=(cases, columns)), -5, 5)
    return table, expit(0.5 - 1.2 * np.tanh(2 * table[:, 0]) - 0.8 * table[:, 1] + 0.2 * rng.normal(size=cases))


@dataclass(frozen=True)
class ShiftedCases:
    """Cases of some patients, each as it is and under every shift family; `families` holds "none" for as it is."""

    rows: Rows
    dice: NDArray[np.float64]
    patients: list[str]
    families: list[str]
    directions: dict[str, Direction]

    def where(self, kept: NDArray[np.bool_]) -> "ShiftedCases":
        """Some of the cases."""
        chosen = np.flatnonzero(kept)
        return ShiftedCases(
            [self.rows[i] for i in chosen],
            self.dice[chosen],
            [self.patients[i] for i in chosen],
            [self.families[i] for i in chosen],
            self.directions,
        )


def shifted_cases(patients: int = 30, families: int = 7, seed: int = 0, visible: float = 1.0) -> ShiftedCases:
    """A latent harm lowers Dice and moves 20 noisy scores; each family of shifts shows itself in other scores.

    Scores 0-5 are like confidences (they follow harm, some families leave some of them alone), 6-13 like feature-space
    scores (they follow the shift, harmful or not), 14-19 like features (weak; the last four suspicious both ways).
    Every patient has an offset of his own in every score; a third of the scores is heavy-tailed; 2 % are undefined.

    Args:
        visible: share of the scores in which the harm of a family shows at all.
    """
    rng = np.random.default_rng(seed)
    count = 20
    ways: list[Direction] = ["higher_is_worse"] * 14 + ["higher_is_better"] * 2 + ["neither"] * 4
    harm = np.abs(rng.normal(0, 1.2, families)) * rng.choice([0.15, 1.0, 1.0, 1.5], families)  # some do no harm
    usual = np.where(np.arange(count) < 6, 1.0, 0.4) * rng.uniform(0.4, 1.2, count)
    gain = usual * rng.choice([0.0, 0.5, 1.0, 1.0], (families, count)) * (rng.random((families, count)) < visible)
    gain[:, 16:] *= rng.normal(size=(families, 4))
    move = 0.4 * rng.normal(size=(families, count))
    move[:, 6:14] = rng.uniform(0, 1.5, (families, 8)) * (0.3 + harm[:, None])
    table, dice, names, kinds = [], [], [], []
    for patient in range(patients):
        hard, own = 0.7 * rng.normal(), 0.6 * rng.normal(size=count)
        for family in range(-1, families):
            for strength in (0.67, 1.33, 2.0) if family >= 0 else (0.0,):
                told = 0.35 * rng.normal() + hard
                done = harm[family] * strength * rng.lognormal(0, 0.3)
                scores = usual * told + gain[family] * done + move[family] * strength
                table.append(scores + own + 0.35 * rng.normal(size=count))
                dice.append(expit(1.9 - 1.1 * (told + done)))
                names.append(f"patient-{patient}")
                kinds.append("none" if family < 0 else f"family-{family}")
    rows = _named(np.array(table), ways, rng)
    return ShiftedCases(rows, np.array(dice), names, kinds, {f"score_{i}": way for i, way in enumerate(ways)})


def _named(table: NDArray[np.float64], ways: list[Direction], rng: np.random.Generator) -> Rows:
    """Rows of named values; each score gets a scale and a direction of its own, and some become undefined."""
    signs = np.array([-1.0 if way == "higher_is_better" else 1.0 for way in ways])
    values = signs * table
    values[:, 0:14:3] = np.exp(1.5 * values[:, 0:14:3])
    values[:, 1:14:3] = expit(values[:, 1:14:3])
    undefined = rng.random(table.shape) < 0.02
    return [
        {f"score_{i}": None if gone else float(value) for i, (value, gone) in enumerate(zip(row, lost, strict=True))}
        for row, lost in zip(values, undefined, strict=True)
    ]
