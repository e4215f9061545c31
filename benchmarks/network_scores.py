"""What the scores of the network cost beside the segmentation that they come from.

    python -m benchmarks.network_scores

A 180x180x166 volume at 2 mm goes through the bundled U-Net (random weights: the cost is the same), then through every
uncertainty score, the Mahalanobis score and the quality model. Target: all scores together, mask features included,
add at most 10 % to the segmentation; this is the part without the mask features (`benchmarks.mask_features`).
The fit of the reference is compared with scikit-learn's covariance and its pseudo-inverse, as the paper's code fits it.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
from sklearn.covariance import EmpiricalCovariance

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.ood.gaussian import fit_gaussian, oas_weight
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.quality.fitting import fit_quality_model
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.analysis.uncertainty import uncertainty_scores
from tests.quality_cases import simulated_cases

SHAPE, SPACING_MM = (166, 180, 180), (2.0, 2.0, 2.0)
REPEATS = 5


def main() -> None:
    """Print one row a part, and the comparison."""
    rng = np.random.default_rng(0)
    segmentation, segmenting = segment(rng)
    row(f"segmentation of {SHAPE} voxels", segmenting)
    costs = score_costs(segmentation, rng)
    for name, cost in costs:
        row(name, cost)
    total = sum(cost for _, cost in costs)
    row("all scores above together", total)
    print(f"  = {total / segmenting:.2%} of the segmentation; target with mask features: at most 10 %")
    compare_fits(rng)


def row(label: str, seconds: float) -> None:
    """One line of the table."""
    print(f"  {label:<52}{seconds:9.2f} s" if seconds >= 1 else f"  {label:<52}{1000 * seconds:9.1f} ms")


def segment(rng: np.random.Generator) -> tuple[Segmentation, float]:
    """A volume of noise through the bundled network, and the seconds it took once it was warm."""
    volume = Volume(rng.normal(-500, 300, size=SHAPE).astype(np.float32), SPACING_MM)
    segmenter = BundledSegmenter(UNet(UNetShape()), WorkingGrid(), version="0", model_hash="none", device="cpu")
    segmenter.segment(volume)
    begun = perf_counter()
    return segmenter.segment(volume), perf_counter() - begun


def score_costs(segmentation: Segmentation, rng: np.random.Generator) -> list[tuple[str, float]]:
    """Seconds of each score, as a case pays them: maps that several share are paid by the first."""
    patches = segmentation.patches
    if patches is None:
        raise SystemExit("The segmenter left no features.")
    dimension = patches.features.shape[1]
    rows = rng.normal(size=(1200, dimension)) * rng.uniform(0.2, 3, size=dimension)
    reference = Mahalanobis.fit(rows, [f"p{i // 10}" for i in range(1200)])
    simulated, dice, patients = simulated_cases(patients=20)
    quality = fit_quality_model(simulated, dice, patients)
    costs = [(name, once(lambda s=score: s().compute(segmentation))) for name, score in scores()]
    costs.append(
        (f"mahalanobis ({len(patches.features)} tiles, D = {dimension})", best(lambda: reference.compute(segmentation)))
    )
    costs.append(("quality model", best(lambda: quality.predict(simulated[0], empty=False))))
    return costs


def scores() -> list[tuple[str, type]]:
    """Every registered uncertainty score."""
    return list(uncertainty_scores.load("hospital_agent.analysis.uncertainty").items())


def compare_fits(rng: np.random.Generator) -> None:
    """Fit and score 2,000 rows of 1,000 numbers, our way and scikit-learn's."""
    rows = rng.normal(size=(2000, 1000)) @ rng.normal(size=(1000, 1000))
    patients = [f"p{i // 20}" for i in range(2000)]
    moments, test = GaussianMoments.of(rows), rows[:100]
    ours, theirs = fit_gaussian(moments, oas_weight(moments)), EmpiricalCovariance().fit(rows)
    print("\nfit on 2,000 rows of 1,000 numbers, and 100 rows scored")
    row("moments, streamed case by case", once(lambda: GaussianMoments.of_batches(np.split(rows, 100))))
    row(
        "moments at once, OAS weight, Cholesky",
        once(lambda: fit_gaussian(GaussianMoments.of(rows), oas_weight(moments))),
    )
    row("the same with 26 weights tried on 100 patients", once(lambda: Mahalanobis.fit(rows, patients)))
    row("scikit-learn: covariance and pseudo-inverse", once(lambda: EmpiricalCovariance().fit(rows)))
    row("100 rows, ours in one block", best(lambda: ours.squared_distances(test)))
    row("100 rows, scikit-learn one by one", best(lambda: [theirs.mahalanobis(each[None]) for each in test]))


def once(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of five calls."""
    return min(once(work) for _ in range(REPEATS))


if __name__ == "__main__":
    main()
