"""How far a window lies from the site's baseline, and how far it would lie by chance alone.

Small samples look different from anything: at 20 cases a Jensen-Shannon divergence of 0.05 bit means nothing. Every
distance is therefore given with its null band: the same distance between two samples of these very sizes, both drawn
from the pooled proportions (two-sample multinomial). These numbers are shown; none of them ever pages.

One window in forty lies above its band by chance. Those that do come in runs, because all windows share one baseline:
an unlucky baseline lies far from all of them. That is one more reason why no band may page.

Cost on one core: 1 to 2 ms for a window that was not asked for before (all three distances, 500 draws, 8 to 32 bins)
and about 6 ms once for each sample size, so that a chart of 700 windows takes 1 to 2 s the first time and nothing
afterwards. The draws are seeded: the same counts always get the same band.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shared.summaries import Histogram, common

DRAWS = 500
PSI_FLOOR = 0.001
_GRID = 1024
_LARGEST_LISTED = 8192
_SEED = 20_210_927

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BandedDistance:
    """A distance with the 50th and 97.5th percentile of the same distance without any drift."""

    value: float
    null_median: float
    null_high: float


@dataclass(frozen=True)
class Distances:
    """The three distances of one window from the baseline.

    Args:
        jensen_shannon: divergence in bits, in [0, 1]; its square root is the distance of the same name.
        wasserstein: in the quantity's own unit; see `wasserstein` for the open ends.
        psi: population stability index, no unit; fractions below 0.001 count as 0.001.
    """

    jensen_shannon: BandedDistance
    wasserstein: BandedDistance
    psi: BandedDistance


def distances(baseline: Histogram, current: Histogram) -> Distances | None:
    """All three distances with their bands, on the finest bins that both have; None where one is empty.

    Raises:
        EdgesMismatch: the two were not counted on the same nested edges.
    """
    first, second = common(baseline, current)
    if first.total == 0 or second.total == 0:
        return None
    return _distances(first.cuts, first.counts, second.counts)


def jensen_shannon(first: FloatArray, second: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence in bits between counts (..., K): 0 for equal fractions, 1 for disjoint ones.

    Source:
        Lin, IEEE Transactions on Information Theory 37 (1991), eq. 3.1 with equal weights and base 2.
    """
    p, q = _fractions(first), _fractions(second)
    middle = (p + q) / 2
    bits: FloatArray = (_relative_bits(p, middle) + _relative_bits(q, middle)) / 2
    return np.maximum(bits, 0.0)  # rounding may leave -1e-17 for equal fractions


def wasserstein(first: FloatArray, second: FloatArray, cuts: tuple[float, ...]) -> FloatArray:
    """Wasserstein-1 distance between counts (..., K), in the unit of the cuts.

    Values are spread evenly inside the closed bins; those in the open ends are taken to lie on the outermost cut, so
    that movements beyond it are not seen. It is the area between the two distribution functions.
    """
    gap = np.cumsum(_fractions(first) - _fractions(second), axis=-1)[..., :-1]  # at each cut
    left, right = gap[..., :-1], gap[..., 1:]
    size = np.abs(left) + np.abs(right)
    crossing = np.divide(left**2 + right**2, 2 * size, out=np.zeros_like(size), where=size > 0)
    area = np.where(left * right >= 0, size / 2, crossing)
    distance: FloatArray = area @ np.diff(np.asarray(cuts, dtype=np.float64))
    return distance


def psi(first: FloatArray, second: FloatArray) -> FloatArray:
    """Population stability index sum (q - p) ln(q / p) between counts (..., K).

    Its value for an empty bin depends on the floor alone: here fractions below 0.001 are raised to 0.001.
    """
    p, q = np.maximum(_fractions(first), PSI_FLOOR), np.maximum(_fractions(second), PSI_FLOOR)
    index: FloatArray = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


def _fractions(counts: FloatArray) -> FloatArray:
    fractions: FloatArray = counts / counts.sum(axis=-1, keepdims=True)
    return fractions


def _relative_bits(p: FloatArray, reference: FloatArray) -> FloatArray:
    ratio = np.divide(p, reference, out=np.ones_like(p), where=p > 0)
    bits: FloatArray = (p * np.log2(ratio)).sum(axis=-1)
    return bits


@lru_cache(maxsize=65536)
def _distances(cuts: tuple[float, ...], first: tuple[int, ...], second: tuple[int, ...]) -> Distances:
    a, b = np.array(first, dtype=np.float64), np.array(second, dtype=np.float64)
    at = np.rint(np.cumsum(a + b)[:-1] / (a.sum() + b.sum()) * _GRID).astype(np.intp)
    null_a, null_b = _drawn_counts(sum(first), 0, at), _drawn_counts(sum(second), 1, at)
    return Distances(
        jensen_shannon=_banded(jensen_shannon(a, b), jensen_shannon(null_a, null_b)),
        wasserstein=_banded(wasserstein(a, b, cuts), wasserstein(null_a, null_b, cuts)),
        psi=_banded(psi(a, b), psi(null_a, null_b)),
    )


def _banded(value: FloatArray, null: FloatArray) -> BandedDistance:
    ordered = np.sort(null)
    middle, high = ordered[DRAWS // 2], ordered[int(0.975 * DRAWS)]
    return BandedDistance(float(value), float(middle), float(high))


def _drawn_counts(n: int, sample: int, at: NDArray[np.intp]) -> FloatArray:
    """(DRAWS, K) multinomial counts of n values, cut where the pooled proportions say."""
    below = _drawn_ranks(n, sample)[:, at].astype(np.float64)
    ends = (np.zeros((DRAWS, 1)), np.full((DRAWS, 1), float(n)))
    counts: FloatArray = np.diff(np.concatenate([ends[0], below, ends[1]], axis=1), axis=1)
    return counts


@lru_cache(maxsize=64)
def _drawn_ranks(n: int, sample: int) -> NDArray[np.int64] | NDArray[np.int16]:
    """(DRAWS, 1025): of n uniform values, how many lie below 0, 1/1024, ..., 1.

    Drawing uniform values once for each n and cutting them at any proportions gives multinomial counts (proportions
    are rounded to 1/1024) a hundred times faster than drawing them anew.
    """
    rng = np.random.default_rng((_SEED, n, sample))
    ranks = np.zeros((DRAWS, _GRID + 1), dtype=np.int16 if n < 2**15 else np.int64)
    np.cumsum(_cell_counts(n, rng), axis=1, out=ranks[:, 1:])
    return ranks


def _cell_counts(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(DRAWS, 1024): how many of n uniform values fall into each cell; one by one while n is small, else at once.

    The second way costs the same for any n, so that no report, however large its counts, can exhaust the memory.
    """
    if n > _LARGEST_LISTED:
        return rng.multinomial(n, np.full(_GRID, 1 / _GRID), size=DRAWS)
    cells = rng.integers(0, _GRID, size=(DRAWS, n), dtype=np.int32)
    cells += (np.arange(DRAWS, dtype=np.int32) * _GRID)[:, None]
    return np.bincount(cells.ravel(), minlength=DRAWS * _GRID).reshape(DRAWS, _GRID)
