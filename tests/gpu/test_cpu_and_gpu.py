"""CPU and GPU give the same numbers: probabilities within 1e-3, every score within 1 % of its spread over cases.

Needs a CUDA device. `SEGWATCH_GPU_TEST_DEVICE=cpu python -m pytest -m gpu` runs the same lines on the CPU twice, which
shows that they run and nothing more.
"""

import os
from collections.abc import Callable

import numpy as np
import pytest
import torch

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.evaluation.scoring import fit_reference

OTHER = os.environ.get("SEGWATCH_GPU_TEST_DEVICE", "cuda")
PROBABILITY, SCORE = 1e-3, 0.01
CASES = 12

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(OTHER == "cuda" and not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

SHAPES = {
    "3-D": (UNetShape(channels=(8, 16, 24), classes=3), (16, 16, 16)),
    "2-D": (UNetShape(channels=(8, 16, 24), classes=3, depth_kernel=1, depth_stride=1), (1, 32, 32)),
}


def volumes() -> list[Volume]:
    """Noise of different strength on gradients of different direction."""
    made = []
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        ramp = np.tensordot(rng.normal(size=3), np.indices((20, 40, 44)), 1)
        noise = rng.normal(0, 1 + seed, ramp.shape)
        made.append(Volume((ramp + noise).astype(np.float32), (4.0, 4.0, 4.0), modality="MR"))
    return made


def segmenter(kind: str, device: str) -> BundledSegmenter:
    """The same weights on any device."""
    shape, tile = SHAPES[kind]
    torch.manual_seed(3)
    network = UNet(shape)
    network.head.weight.data *= 20  # confident here and there, as a trained network is
    grid = WorkingGrid(spacing_mm=(4.0, 4.0, 4.0), tile=tile, scheme="standardised")
    return BundledSegmenter(network, grid, version="1", model_hash="0" * 64, device=device)


@pytest.fixture(scope="module", params=SHAPES)
def answers(request: pytest.FixtureRequest) -> tuple[list[Segmentation], list[Segmentation]]:
    cpu, other = segmenter(request.param, "cpu"), segmenter(request.param, OTHER)
    return [cpu.segment(one) for one in volumes()], [other.segment(one) for one in volumes()]


def same(name: str, compute: Callable[[Segmentation], float | None], answers: tuple[list[Segmentation], ...]) -> int:
    """A score on both devices: defined for the same cases, and as close as its spread over cases asks for.

    Returns how many cases were compared.
    """
    here, there = ([compute(one) for one in some] for some in answers)
    assert [value is None for value in here] == [value is None for value in there], name
    pairs = [(a, b) for a, b in zip(here, there, strict=True) if a is not None and b is not None]
    if pairs:
        first, second = np.array(pairs).T
        assert np.abs(first - second).max() <= SCORE * max(np.ptp(first), 1e-3 * np.abs(first).max()), name
    return len(pairs)


def test_probabilities(answers: tuple[list[Segmentation], list[Segmentation]]) -> None:
    for one, other in zip(*answers, strict=True):
        np.testing.assert_allclose(one.class_probabilities, other.class_probabilities, atol=PROBABILITY)
        unsure = np.sort(one.class_probabilities, axis=0)[-2:]  # type: ignore[call-overload]
        assert (one.labels != other.labels).mean() <= 1e-3 + (unsure[1] - unsure[0] < PROBABILITY).mean()


def test_one_pass_confidences(answers: tuple[list[Segmentation], list[Segmentation]]) -> None:
    scores = uncertainty_scores.load("hospital_agent.analysis.uncertainty")
    compared = {name: same(name, score().compute, answers) for name, score in scores.items()}
    assert {compared[name] for name in ("max_softmax", "mean_entropy", "soft_dice_confidence")} == {CASES}


def test_feature_space_scores_fitted_on_the_cpu(answers: tuple[list[Segmentation], list[Segmentation]]) -> None:
    reference = fit_reference((f"p{number}", one) for number, one in enumerate(answers[0]))
    assert set(reference.scores) | set(reference.refused) == set(ood_scores.names())
    compared = {name: same(name, score.compute, answers) for name, score in reference.scores.items()}
    assert compared["mahalanobis"] == CASES


@pytest.mark.parametrize("kind", SHAPES)
def test_scores_that_climb_the_gradient(kind: str) -> None:
    on = {device: segmenter(kind, device) for device in ("cpu", OTHER)}
    compared = {}
    for name, unit in sampled_scores.load("hospital_agent.analysis.uncertainty").items():
        if unit.source == "gradient":
            score = unit()
            pair = tuple(
                [on[device].perturb(one, score.temperature, score.epsilon) for one in volumes()]  # type: ignore[attr-defined]
                for device in ("cpu", OTHER)
            )
            compared[name] = same(name, lambda answer, score=score: score.compute([answer]), pair)  # type: ignore[misc]
    assert compared == {"odin": CASES}
