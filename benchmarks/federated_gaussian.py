"""The Gaussian of all sites by adding vectors: bytes a site sends, and errors against the fit of the pooled rows.

    python -m benchmarks.federated_gaussian [--dimension 5120] [--sites 8] [--rows 8000] [--rank 240]
                                            [--weight 0.1] [--spectra power:1 power:2 exponential:10]

Wanted: a relative error of the covariance (Frobenius) of at most 1e-8 and of the distances of at most 1e-6, also after
rounding to whole numbers as a secure sum does; and for the sketch at most 10 MB at 5120 features with distances right
to 1 %. Compared with: the upper triangle in float32, and `GaussianMoments.of` with `fit_gaussian` on all rows, in the
same run. Sites are unequal; patients have 40 rows each, of which half the spread is the patient's own.

The weight of the shrinkage is that of the formula, or the one given, as left-out patients may ask for.

The spectra: `power:a` has the variances k^-a, `exponential:t` exp(-k / t). Distances are those of rows like the
training rows, of the same rows three times as far out, and of rows that spread evenly in all directions. At full size
a spectrum takes many minutes on one core and about 3 GB.
"""

import argparse
import time

import numpy as np

from hospital_agent.analysis.ood.gaussian import Gaussian, fit_gaussian, oas_weight
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.federation.jobs.gaussian import GaussianJob
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.jobs.sketched_gaussian import SketchedGaussianJob

WANTED_COVARIANCE, WANTED_DISTANCE, WANTED_SKETCH, WANTED_BYTES = 1e-8, 1e-6, 0.01, 10e6
ROWS_OF_A_PATIENT = 40
TEST_ROWS = 200
STEPS = {"float64": 0.0, "2^-40 (stated)": None, "2^-30": 2.0**-30, "2^-24": 2.0**-24}


def variances(spectrum: str, dimension: int) -> np.ndarray:
    """Largest first, the first one 1."""
    kind, number = spectrum.split(":")
    k = np.arange(dimension, dtype=np.float64)
    return np.exp(-k / float(number)) if kind == "exponential" else (1 + k) ** -float(number)


class Drawn:
    """Rows of unequal sites with one spectrum along axes of its own, and rows to score."""

    def __init__(self, spectrum: str, dimension: int, rows: int, sites: int) -> None:
        self.random = np.random.default_rng(0)
        self.spread = np.sqrt(variances(spectrum, dimension))
        signs = self.random.choice([-1.0, 1.0], dimension)
        normal = self.random.standard_normal(dimension) * signs
        self.mirror = normal / np.linalg.norm(normal)  # axes: the unit ones, seen in a mirror
        patients = max(rows // ROWS_OF_A_PATIENT, 1)
        of_row = np.arange(rows) * patients // rows
        common = self._raw(patients)[of_row]
        everything = self._turned((common + self._raw(rows)) / np.sqrt(2))
        shares = np.cumsum(np.arange(1, sites + 1) / (sites * (sites + 1) / 2))[:-1]
        edges = np.split(np.arange(rows), (shares * rows).astype(int))
        self.rows = everything
        self.sites = [LocalRows(everything[part], [str(p) for p in of_row[part]]) for part in edges]
        like = self._turned(self._raw(TEST_ROWS))
        even = self.random.standard_normal((TEST_ROWS, dimension)) * self.spread.std()
        self.tests = {"like training": like, "three times as far": 3 * like, "in all directions": even}

    def _raw(self, count: int) -> np.ndarray:
        return self.random.standard_normal((count, self.spread.size)) * self.spread

    def _turned(self, rows: np.ndarray) -> np.ndarray:
        return rows - 2 * np.outer(rows @ self.mirror, self.mirror)


def largest_difference(found: Gaussian, true: Gaussian, rows: np.ndarray) -> tuple[float, float]:
    """Median and largest relative error of the distances of some rows."""
    errors = np.abs(found.squared_distances(rows) / true.squared_distances(rows) - 1)
    return float(np.median(errors)), float(errors.max())


def exact(drawn: Drawn, moments: GaussianMoments, true: Gaussian, weight: float | None) -> None:
    """Print size and errors of the exact job for each step of rounding."""
    dimension = moments.dimension
    wanted = f"wanted {WANTED_COVARIANCE:.0e} and {WANTED_DISTANCE:.0e}"
    covariance = moments.covariance()
    size = np.linalg.norm(covariance)
    for name, step in STEPS.items():
        begun = time.perf_counter()
        done = rehearse(GaussianJob(dimension, fewest_patients=1), drawn.sites, step)
        seconds = time.perf_counter() - begun
        found = done.result.moments
        error = np.linalg.norm(found.covariance() - covariance) / size
        fitted = fit_gaussian(found, weight or done.result.weight.weight)
        worst = max(largest_difference(fitted, true, rows)[1] for rows in drawn.tests.values())
        print(f"  exact, {name:<16} covariance {error:8.1e}   distances {worst:8.1e}   {wanted}   {seconds:6.1f} s")
    sent, triangle = 8 * sum(done.sizes), 4 * dimension * (dimension + 1) // 2
    print(f"  exact: {sent / 1e6:.2f} MB a site; upper triangle in float32 {triangle / 1e6:.2f} MB")


def sketched(drawn: Drawn, moments: GaussianMoments, true: Gaussian, rank: int, weight: float | None) -> None:
    """Print size and errors of the sketch, and what it promises by itself."""
    dimension = moments.dimension
    begun = time.perf_counter()
    done = rehearse(SketchedGaussianJob(dimension, rank, weight=weight, fewest_patients=1), drawn.sites)
    seconds, result, sent = time.perf_counter() - begun, done.result, 8 * sum(done.sizes)
    share = sent / (4 * dimension * (dimension + 1) // 2)
    print(f"  sketch of rank {rank}: {sent / 1e6:.2f} MB a site, {share:.2f} of that triangle; {seconds:.1f} s")
    for name, rows in drawn.tests.items():
        median, worst = largest_difference(result.gaussian, true, rows)
        print(f"    distances {name:<20} median {median:8.1e}  largest {worst:8.1e}   wanted {WANTED_SKETCH}")
    print(f"    left out {result.unexplained:.1e} of the variance; promised: at most {result.largest_error:.1e} wrong")


def main() -> None:
    """Draw rows, fit them in one place and by sums, and print sizes and errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimension", type=int, default=5120)
    parser.add_argument("--sites", type=int, default=8)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--rank", type=int, default=240)
    parser.add_argument("--weight", type=float)
    parser.add_argument("--spectra", nargs="+", default=["power:1", "power:2", "exponential:10"])
    given = parser.parse_args()
    print(f"{given.sites} sites, {given.rows} rows, {given.dimension} features; wanted of the sketch: ", end="")
    print(f"{WANTED_BYTES / 1e6:.0f} MB at 5120 features\n")
    for spectrum in given.spectra:
        drawn = Drawn(spectrum, given.dimension, given.rows, given.sites)
        moments = GaussianMoments.of(drawn.rows)
        weight = given.weight or oas_weight(moments)
        true = fit_gaussian(moments, weight)
        print(f"spectrum {spectrum}, weight of shrinkage {weight:.2e}")
        exact(drawn, moments, true, given.weight)
        sketched(drawn, moments, true, given.rank, given.weight)


if __name__ == "__main__":
    main()
