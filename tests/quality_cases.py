"""Cases of simulated patients whose Dice depends on their scores in a known way."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

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
