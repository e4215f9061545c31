"""Whether a score orders cases as their quality does."""

from collections.abc import Iterable

import numpy as np
from scipy.stats import rankdata

FEWEST_PAIRS = 3


def spearman(scores: Iterable[float | None], risks: Iterable[float | None]) -> float | None:
    """Spearman's rank correlation in [-1, 1]; of a score (higher is worse) and 1 - Dice, 1 is best.

    Pearson's correlation of the ranks; tied values share the mean of their ranks, which keeps the value in [-1, 1]
    where the formula with squared differences does not hold.

    Args:
        scores, risks: one each a case. A case in which either is None is left out.

    Returns:
        None with fewer than three pairs (two are always at 1 or -1), or where all scores or all risks are equal.

    Raises:
        ValueError: not as many scores as risks, or NaN.

    Example:
        >>> spearman([1, 2, 3, None], [0.1, 0.2, 0.9, 0.5])
        1.0
    """
    pairs = [(a, b) for a, b in zip(scores, risks, strict=True) if a is not None and b is not None]
    values = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    if np.isnan(values).any():
        raise ValueError("An undefined value is None, not NaN.")
    if len(values) < FEWEST_PAIRS:
        return None
    ranks = rankdata(values, axis=0) - (len(values) + 1) / 2
    spread = float(np.sqrt((ranks**2).sum(axis=0).prod()))
    if spread == 0:
        return None
    return float(np.clip((ranks[:, 0] * ranks[:, 1]).sum() / spread, -1.0, 1.0))
