"""What is kept of a layer: sums over real positions, by channel and by predicted class."""

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import MissingLayer
from hospital_agent.analysis.ood.products import summed_products
from hospital_agent.analysis.segmentation.layers import LayerSums, listening, named_layer, products_on_device
from tests.patches import layer_of

WHOLE = (slice(0, 4), slice(0, 4), slice(0, 4))


def features(seed: int = 0, shape: tuple[int, ...] = (3, 4, 4, 4)) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def classes(seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 3, (4, 4, 4)))


def test_sums_over_two_tiles_are_those_of_all_positions_together():
    sums, first, second = LayerSums(3), features(0), features(1)
    sums.add(first, classes(2), WHOLE)
    sums.add(second, classes(3), WHOLE)
    got = sums.summary()
    rows = np.concatenate([tile.numpy().reshape(3, -1).T for tile in (first, second)])
    expected = layer_of(rows, np.concatenate([classes(2).flatten(), classes(3).flatten()]), 3)
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(got.gram, expected.gram, rtol=1e-6)
    np.testing.assert_allclose(got.class_means, expected.class_means, rtol=1e-5)
    np.testing.assert_array_equal(got.class_counts, expected.class_counts)
    assert got.position_count == 128


def test_padding_is_left_out_on_the_grid_of_the_tile():
    sums, tile = LayerSums(3), features()
    sums.add(tile, classes(), (slice(1, 3), slice(0, 4), slice(2, 4)))
    inside = tile.numpy()[:, 1:3, :, 2:4]
    np.testing.assert_allclose(sums.summary().mean, inside.reshape(3, -1).mean(axis=1), rtol=1e-6)


def test_a_coarse_position_counts_where_its_centre_is_real_and_takes_the_class_under_it():
    sums = LayerSums(3)
    predicted = torch.zeros((4, 4, 4), dtype=torch.int64)
    predicted[1, 1, 1] = 2
    coarse = torch.arange(8.0).reshape(1, 2, 2, 2)
    sums.add(coarse, predicted, (slice(0, 2), slice(0, 4), slice(0, 4)))
    got = sums.summary()
    assert got.position_count == 4
    assert got.class_counts.tolist() == [3, 0, 1]
    assert got.class_means[2, 0] == 0.0
    assert np.isnan(got.class_means[1]).all()


def test_a_volume_thinner_than_a_coarse_position_still_counts_one():
    sums = LayerSums(2)
    sums.add(torch.ones(1, 2, 2, 2), torch.zeros((16, 16, 16)), (slice(8, 9), slice(0, 16), slice(0, 16)))
    assert sums.summary().position_count == 4


def test_a_layer_that_heard_nothing_and_a_layer_that_is_not_there_have_names():
    with pytest.raises(MissingLayer):
        LayerSums(2).summary()
    with pytest.raises(MissingLayer, match="no layer 'deep'"):
        named_layer(torch.nn.Conv3d(1, 1, 1), "deep")


def test_the_hooks_are_gone_afterwards():
    layer = torch.nn.Conv3d(1, 2, 1)
    with listening({"only": layer}) as heard:
        layer(torch.ones(1, 1, 2, 2, 2))
    assert heard["only"].shape == (1, 2, 2, 2, 2)
    assert not layer._forward_hooks


def test_a_tile_that_lies_on_a_gpu_is_summed_to_the_same_products() -> None:
    """The branch for a GPU runs on any tensor; here it runs on one in memory."""
    rows, predicted = torch.randn(5, 700), torch.randint(0, 3, (700,))
    there = products_on_device(rows, predicted, 3)
    np.testing.assert_allclose(there, summed_products(rows.numpy(), predicted.numpy(), 3), rtol=1e-9, atol=1e-9)
