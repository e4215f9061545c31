"""Overlap and surface distances against MONAI's, on uneven voxels. One file, since importing it takes long."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.metrics.surface import assd_mm, hd95_mm, surface_dice

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    metrics = pytest.importorskip("monai.metrics")
torch = pytest.importorskip("torch")

SPACING = (5.0, 1.5, 0.8)
SEEDS = range(8)


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping smooth masks away from the border, where libraries disagree on what a surface is."""
    rng = np.random.default_rng(seed)
    field, other = (ndimage.gaussian_filter(rng.normal(size=(14, 30, 34)), (1, 3, 3)) for _ in range(2))
    masks = np.zeros((2, 14, 30, 34), bool)
    inside = (slice(2, -2),) * 3
    masks[0][inside] = (field > 0.4 * field.std())[inside]
    masks[1][inside] = (field + 0.6 * other > 0.4 * field.std())[inside]
    return masks[0], masks[1]


def batch(mask: np.ndarray) -> object:
    return torch.as_tensor(mask[None, None].astype(np.float32))


def asked(measure: object, mask: np.ndarray, reference: np.ndarray, **settings: object) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(measure(batch(mask), batch(reference), include_background=True, **settings))


@pytest.mark.parametrize("seed", SEEDS)
def test_dice(seed: int) -> None:
    mask, reference = blobs(seed)
    assert dice(mask, reference) == pytest.approx(asked(metrics.compute_dice, mask, reference), abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_hd95_is_the_larger_of_the_two_directions(seed: int) -> None:
    mask, reference = blobs(seed)
    theirs = asked(metrics.compute_hausdorff_distance, mask, reference, percentile=95, spacing=SPACING)
    assert hd95_mm(mask, reference, SPACING) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_assd(seed: int) -> None:
    mask, reference = blobs(seed)
    theirs = asked(metrics.compute_average_surface_distance, mask, reference, symmetric=True, spacing=SPACING)
    assert assd_mm(mask, reference, SPACING) == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_surface_dice_at_three_millimetres(seed: int) -> None:
    mask, reference = blobs(seed)
    theirs = asked(metrics.compute_surface_dice, mask, reference, class_thresholds=[3.0], spacing=SPACING)
    assert surface_dice(mask, reference, SPACING) == pytest.approx(theirs, abs=1e-6)
