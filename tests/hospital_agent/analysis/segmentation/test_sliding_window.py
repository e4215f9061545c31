"""The sliding window: every voxel is covered, weights cancel, padding never enters, features match their tiles."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hospital_agent.analysis.segmentation.sliding_window import Listening, importance_map, sliding_window, tile_starts

CPU = torch.device("cpu")


class Pointwise(nn.Module):
    """A network without context: the foreground logit of a voxel is its intensity."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.AvgPool3d(4)

    def forward(self, tile: torch.Tensor) -> torch.Tensor:
        self.deep(tile)
        return torch.cat([torch.zeros_like(tile), tile], dim=1)


def run(image: np.ndarray, tile=(8, 8, 8)):
    network = Pointwise()
    seen = sliding_window(network, image, tile, CPU, -1.0, keep=Listening("deep", {"deep": network.deep}))
    return seen.probabilities[1], seen.patches


@pytest.mark.parametrize("shape", [(8, 8, 8), (3, 5, 20), (17, 8, 9), (1, 1, 1)])
def test_a_network_without_context_gives_the_same_on_any_tiling(shape):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    probability, _ = run(image)
    assert probability.shape == shape
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-image)), rtol=1e-4, atol=1e-6)


@given(length=st.integers(1, 300), tile=st.sampled_from([8, 16, 80]))
def test_tiles_cover_every_voxel_and_overlap_by_half(length, tile):
    starts = tile_starts(length, tile)
    covered = np.zeros(length, dtype=int)
    for start in starts:
        covered[max(start, 0) : start + tile] += 1
    assert covered.min() >= 1
    assert all(b - a <= tile / 2 + 1 for a, b in pairwise(starts))
    if length > tile:
        assert starts[0] == 0
        assert starts[-1] + tile == length


def test_importance_is_one_at_the_centre_and_never_zero():
    weights = importance_map((16, 8, 8))
    assert weights.shape == (16, 8, 8)
    assert weights[8, 4, 4] == 1.0 == weights.max()
    assert weights.min() > 0


def test_features_are_those_of_each_tile():
    image = np.random.default_rng(0).normal(size=(12, 8, 8)).astype(np.float32)
    _, patches = run(image)
    assert patches.starts.tolist() == [[0, 0, 0], [4, 0, 0]]
    for start, row in zip(patches.starts, patches.features, strict=True):
        tile = image[start[0] : start[0] + 8]
        expected = tile.reshape(2, 4, 2, 4, 2, 4).mean(axis=(1, 3, 5)).ravel()
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-6)


def test_a_small_volume_lies_in_the_middle_of_its_tile():
    _, patches = run(np.zeros((4, 8, 8), dtype=np.float32))
    assert patches.starts.tolist() == [[-2, 0, 0]]


def test_the_hook_is_gone_afterwards():
    network = Pointwise()
    sliding_window(
        network, np.zeros((8, 8, 8), np.float32), (8, 8, 8), CPU, -1.0, keep=Listening("deep", {"deep": network.deep})
    )
    assert not network.deep._forward_hooks
