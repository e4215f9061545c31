"""Patches, loss and validation of the segmenter's training."""

import numpy as np
import pytest
import torch
from torch import nn

from hospital_agent.analysis.segmentation.bundled import WorkingGrid
from hospital_agent.training.pool import IGNORE, PoolItem
from hospital_agent.training.segmenter import PatchValidation, random_patches, segmentation_loss

GRID = WorkingGrid()


def item(patient: str = "a") -> PoolItem:
    image = np.full((20, 24, 28), -800, dtype=np.int16)
    label = np.zeros(image.shape, dtype=np.uint8)
    label[5:10, 5:10, 5:10] = 1
    image[label == 1] = 0
    label[15:18] = IGNORE
    return PoolItem(image, label, patient)


class Threshold(nn.Module):
    """Knows the answer: dense is lesion."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(100.0))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(image), (image + 0.2) * self.scale], dim=1)


def test_patches_have_the_asked_shape_also_where_the_volume_is_smaller():
    images, labels = next(random_patches([item()], GRID, (16, 32, 16), 3, np.random.default_rng(0)))
    assert images.shape == (3, 1, 16, 32, 16)
    assert labels.shape == (3, 16, 32, 16)
    assert images.dtype == torch.float32
    assert set(labels.unique().tolist()) <= {0, 1, IGNORE}


def test_about_half_of_the_patches_or_more_hold_a_lesion():
    stream = random_patches([item()], GRID, (8, 8, 8), 1, np.random.default_rng(0))
    hits = [bool((next(stream)[1] == 1).any()) for _ in range(200)]
    assert 0.3 < np.mean(hits) < 0.9


def test_the_same_seed_gives_the_same_patches():
    first, second = (next(random_patches([item()], GRID, (8, 8, 8), 2, np.random.default_rng(4))) for _ in range(2))
    assert torch.equal(first[0], second[0])


def test_items_with_weight_zero_are_never_drawn():
    other = PoolItem(np.full((8, 8, 8), 300, dtype=np.int16), np.zeros((8, 8, 8), dtype=np.uint8), "b")
    stream = random_patches([item(), other], GRID, (8, 8, 8), 1, np.random.default_rng(0), [1.0, 0.0])
    assert max(float(next(stream)[0].mean()) for _ in range(30)) < 0.5


def test_what_is_not_known_costs_nothing():
    images, labels = next(random_patches([item()], GRID, (20, 24, 28), 1, np.random.default_rng(0)))
    changed = images.clone()
    changed[:, 0][labels == IGNORE] = 1.0
    network = Threshold()
    assert segmentation_loss(network, (images, labels)).item() == pytest.approx(
        segmentation_loss(network, (changed, labels)).item()
    )


def test_the_right_answer_costs_least():
    batch = next(random_patches([item()], GRID, (20, 24, 28), 1, np.random.default_rng(0)))
    right, wrong = Threshold(), Threshold()
    wrong.scale.data = -wrong.scale.data
    assert segmentation_loss(right, batch) < 0.05
    assert segmentation_loss(wrong, batch) > 1
    assert PatchValidation([item()], GRID, (16, 16, 16), 6, 0)(right) == 1.0
    assert PatchValidation([item()], GRID, (16, 16, 16), 6, 0)(wrong) < 0.1
