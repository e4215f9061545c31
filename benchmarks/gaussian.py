"""A Gaussian over patch features: fit and distances beside scikit-learn's EmpiricalCovariance on the same rows.

    python -m benchmarks.gaussian [--dimension 5120] [--rows 8000] [--batch 500] [--skip-sklearn] [--check-weight]

Wanted at 5120 features: 50 times as quick to fit, at most 3 ms a patch when patches come in batches, and memory that
does not grow with the rows. Rows are drawn anew for each batch, so that none but the batch at hand is held by us;
scikit-learn is given all of them at once, as it wants them. Its fit takes minutes at full size. `--check-weight` also
times the choice of the shrinkage weight on left-out patients, which scikit-learn does not have.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.covariance import EmpiricalCovariance

from hospital_agent.analysis.ood.gaussian import Gaussian, fit_gaussian, oas_weight
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.patient_check import choose_weight

WANTED_RATIO, WANTED_MS = 50, 3.0
TILES_OF_A_PATIENT = 40
TEST_ROWS = 1024


def batches(rows: int, dimension: int, size: int) -> Iterator[np.ndarray]:
    """Rows with a spread of two decades, the same every time, a batch at a time."""
    for number, first in enumerate(range(0, rows, size)):
        drawn = np.random.default_rng(number).standard_normal((min(size, rows - first), dimension))
        yield drawn * np.geomspace(0.1, 10, dimension)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Wall seconds and what came out."""
    begun = time.perf_counter()
    made = work()
    return time.perf_counter() - begun, made


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(rows: int, dimension: int, size: int) -> tuple[float, Gaussian, GaussianMoments]:
    """Seconds of a streamed fit without the drawing of the rows, and what was fitted."""
    drawing, _ = timed(lambda: [batch.shape for batch in batches(rows, dimension, size)])
    before = peak_mb()
    whole, moments = timed(lambda: GaussianMoments.of_batches(batches(rows, dimension, size)))
    assert isinstance(moments, GaussianMoments)  # noqa: S101 - for the type
    fitting, gaussian = timed(lambda: fit_gaussian(moments, oas_weight(moments)))
    seconds = max(whole - drawing, 0.0) + fitting
    print(f"ours, streamed, with OAS shrinkage      {seconds:9.2f} s   ({fitting:.2f} s of it after the last batch)")
    one = dimension**2 * 8 / 2**20
    print(f"  memory on top of {before:.0f} MB               {peak_mb() - before:9.0f} MB  (one covariance: {one:.0f})")
    return seconds, gaussian, moments  # type: ignore[return-value]


def scored(name: str, distances: Callable[[np.ndarray], np.ndarray], dimension: int) -> np.ndarray:
    """Print the milliseconds a patch of the best of three runs over a batch; return the distances."""
    test = next(batches(TEST_ROWS, dimension, TEST_ROWS)) * 1.5
    runs = [timed(lambda: distances(test)) for _ in range(3)]
    best = min(seconds for seconds, _ in runs)
    print(f"{name:<40}{1e3 * best / TEST_ROWS:9.3f} ms a patch")
    return np.asarray(runs[0][1])


def main() -> None:
    """Fit both on the same rows and print times, memory and how far the distances differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimension", type=int, default=5120)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--skip-sklearn", action="store_true")
    parser.add_argument("--check-weight", action="store_true")
    given = parser.parse_args()
    size = (given.rows, given.dimension, given.batch)
    print(f"{given.rows} rows of {given.dimension} features, in batches of {given.batch}\n")
    seconds, gaussian, moments = ours(*size)
    scored("ours", gaussian.squared_distances, given.dimension)
    print(f"  wanted at most {WANTED_MS} ms at 5120 features")
    if given.check_weight:
        rows = np.concatenate(list(batches(*size)))
        patients = [str(i // TILES_OF_A_PATIENT) for i in range(given.rows)]
        checking, choice = timed(lambda: choose_weight(rows, patients, moments))
        print(f"choice of the weight on left-out patients {checking:7.2f} s   ({choice})")
    if given.skip_sklearn:
        return
    rows = np.concatenate(list(batches(*size)))
    theirs, reference = timed(lambda: EmpiricalCovariance().fit(rows))
    print(f"scikit-learn EmpiricalCovariance.fit    {theirs:9.2f} s   {theirs / seconds:.1f} times ours", end="")
    print(f" (wanted {WANTED_RATIO} at 5120 features)")
    expected = scored("scikit-learn mahalanobis", reference.mahalanobis, given.dimension)  # type: ignore[attr-defined]
    if given.rows > given.dimension:
        plain = fit_gaussian(moments, 0.0).squared_distances(next(batches(TEST_ROWS, given.dimension, TEST_ROWS)) * 1.5)
        print(f"largest relative difference without shrinkage: {np.max(np.abs(plain / expected - 1)):.1e}")


if __name__ == "__main__":
    main()
