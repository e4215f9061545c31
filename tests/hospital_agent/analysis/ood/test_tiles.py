"""From one number a tile to one number a volume: the mean of the map, with and without the map."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.ood.tiles import tile_map, tile_shares, weighted_mean
from hospital_agent.analysis.segmentation.base import PatchFeatures
from tests.patches import gaussian_importance, starts_of

SHAPES = st.tuples(*[st.integers(1, 30)] * 3)
TILE = (6, 8, 10)


def tiles(shape: tuple[int, int, int], importance: np.ndarray | None = None) -> PatchFeatures:
    starts = starts_of(shape, TILE)
    weights = gaussian_importance(TILE) if importance is None else importance
    return PatchFeatures(np.zeros((len(starts), 1), np.float32), starts, TILE, weights, "layer")


def test_two_tiles_on_paper() -> None:
    starts = np.array([[0, 0, 0], [0, 0, 2]])
    importance = np.array([[[1.0, 1.0, 3.0, 1.0]]], dtype=np.float32)
    patches = PatchFeatures(np.zeros((2, 1), np.float32), starts, (1, 1, 4), importance, "layer")
    # Weights along X: tile a 1 1 3 1 . . and tile b . . 1 1 3 1; the map is then a a (3a+b)/4 (a+b)/2 b b.
    values = np.array([4.0, 8.0])
    np.testing.assert_allclose(tile_map(patches, values, (1, 1, 6))[0, 0], [4, 4, 5, 6, 8, 8])
    np.testing.assert_allclose(tile_shares(patches, (1, 1, 6)), [3.25 / 6, 2.75 / 6])


@given(shape=SHAPES, uniform=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_short_way_is_the_mean_of_the_map(shape: tuple[int, int, int], uniform: bool, seed: int) -> None:
    patches = tiles(shape, np.ones(TILE, np.float32) if uniform else None)
    values = np.random.default_rng(seed).uniform(1, 1000, size=len(patches.starts))
    mean = tile_map(patches, values, shape).mean(dtype=np.float64)
    assert weighted_mean(tile_shares(patches, shape), values) == pytest.approx(mean, rel=1e-6)


@given(shape=SHAPES, uniform=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_distance_of_one_everywhere_is_a_score_of_exactly_one(shape: tuple[int, int, int], uniform: bool) -> None:
    patches = tiles(shape, np.ones(TILE, np.float32) if uniform else None)
    ones = np.ones(len(patches.starts))
    assert weighted_mean(tile_shares(patches, shape), ones) == 1.0
    assert np.all(tile_map(patches, ones, shape) == 1.0)


def test_padding_counts_for_nothing() -> None:
    shape = (4, 8, 10)  # a tile is 6 high: one voxel of padding below and one above
    padded = tiles(shape)
    cut = replace(
        padded,
        starts=padded.starts + np.array([1, 0, 0]),
        tile_shape=(4, 8, 10),
        importance=np.ascontiguousarray(padded.importance[1:5]),
    )
    np.testing.assert_allclose(tile_shares(padded, shape), tile_shares(cut, shape))


def test_voxels_that_no_tile_saw_are_left_out() -> None:
    patches = replace(tiles((6, 8, 10)), starts=np.array([[0, 0, 0]]))
    shape = (6, 8, 25)
    assert tile_shares(patches, shape).tolist() == [1.0]
    shown = tile_map(patches, np.array([7.0]), shape)
    assert np.all(shown[..., :10] == 7.0)
    assert np.isnan(shown[..., 10:]).all()


def test_refuses_tiles_beside_the_volume_and_weights_of_another_shape() -> None:
    beside = replace(tiles((6, 8, 10)), starts=np.array([[100, 0, 0]]))
    with pytest.raises(GeometryMismatch, match="No tile"):
        tile_shares(beside, (6, 8, 10))
    with pytest.raises(GeometryMismatch, match="importance"):
        tile_shares(replace(beside, tile_shape=(5, 8, 10)), (6, 8, 10))
