"""The paired bootstrap over patients: draw patients with replacement, bring all that is theirs, compute anew, compare.

    copies = patient_copies(len(patients), seed=0)      # (1 + draws, patients), first row: everyone once
    means = weighted_means(differences, owners, copies) # (1 + draws,), first: the estimate itself
    low, high = interval(means[1:])

Both sides of a comparison see the same draws, so what is resampled is their difference. The interval says how far that
depends on who was looked at, and nothing about what was trained. Percentiles; not corrected for how many are told.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2000
LEVEL = 0.95
FEWEST_DRAWS_SHARE = 0.9  # an interval that most resamples say nothing about is not one


def patient_copies(
    patient_count: int, draws: int = DRAWS, seed: int = 0, by: Literal["counts", "names"] = "counts"
) -> Floats:
    """(1 + draws, patients) how often each patient is there; in the first row everyone is, once.

    Args:
        draws: resamples; 2000 or more for a table.
        by: how a resample is drawn. "counts" draws how often each patient is there, "names" one patient after the
            other. The distribution is one; the numbers of a seed are not, and those of the refinement were told with
            "names".
    """
    random, everyone = np.random.default_rng(seed), np.ones(patient_count)
    if by == "counts":
        drawn = random.multinomial(patient_count, [1 / max(patient_count, 1)] * patient_count, size=draws)
        return np.vstack([everyone, drawn])
    names = random.integers(patient_count, size=(draws, patient_count))
    return np.vstack([everyone, *(np.bincount(row, minlength=patient_count) for row in names)])


def weighted_means(values: Sequence[float], owners: Sequence[int], copies: Floats) -> Floats:
    """(1 + draws,) mean over values in each draw, each as often as its patient is there; NaN where none of them is.

    Args:
        values, owners: each value, and the place of its patient in a row of `copies`.
        copies: of `patient_copies`.
    """
    weights = copies[:, np.asarray(owners, dtype=np.intp)]
    total = weights.sum(axis=1)
    summed = weights @ np.asarray(values, dtype=np.float64)
    means: Floats = np.where(total > 0, summed / np.maximum(total, 1), np.nan)
    return means


def mean_of_defined(values: Sequence[Floats]) -> Floats:
    """Elementwise mean over the arrays that are not NaN there; NaN where all are."""
    if not values:
        return np.full(1, np.nan)
    together = np.stack(np.broadcast_arrays(*values))
    defined = ~np.isnan(together)
    count = defined.sum(axis=0)
    total = np.where(defined, together, 0).sum(axis=0)
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def interval(resampled: Floats) -> tuple[float | None, float | None]:
    """The middle 95 % of resampled numbers, NaN left out; (None, None) where fewer than 90 % of them are defined."""
    defined = resampled[~np.isnan(resampled)]
    if not defined.size or defined.size < FEWEST_DRAWS_SHARE * resampled.size:
        return None, None
    low, high = (float(np.quantile(defined, q)) for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return low, high
