"""Intensities of networks from elsewhere, against MONAI's own words for them and by hand; layers that are found."""

import numpy as np
import pytest
import torch
from torch import nn

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST
from hospital_agent.analysis.segmentation.foreign import ForeignGrid, Intensity, hear_all

IMAGE = np.array([[[-100.0, 0.0, 50.0, 200.0]]], dtype=np.float32)


def test_a_range_is_a_line_that_ends_or_not() -> None:
    line = Intensity(0.0, 100.0, -1.0, 1.0)
    np.testing.assert_allclose(line.apply(IMAGE), [[[-1, -1, 0, 1]]])
    np.testing.assert_allclose(Intensity(0.0, 100.0, -1.0, 1.0, clip=False).apply(IMAGE), [[[-3, -1, 0, 3]]])
    np.testing.assert_allclose(Intensity(0.0, 100.0, 1.0, 0.0).apply(IMAGE), [[[1, 1, 0.5, 0]]])  # upside down


def test_standardising_takes_given_or_own_mean_and_deviation() -> None:
    np.testing.assert_allclose(Intensity(mean=50.0, sd=10.0).apply(IMAGE), [[[-15, -5, 0, 15]]])
    own = Intensity().apply(IMAGE)
    assert own.mean() == pytest.approx(0.0, abs=1e-6)
    assert own.std() == pytest.approx(1.0, abs=1e-6)
    among = Intensity(nonzero=True).apply(IMAGE)
    assert among[0, 0, 1] == 0.0
    assert among[0, 0, [0, 2, 3]].std() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("image", [np.zeros((2, 2, 2), np.float32), np.full((2, 2, 2), 7.0, np.float32)])
def test_an_image_without_contrast_stays_finite(image: np.ndarray) -> None:
    for intensity in (Intensity(), Intensity(nonzero=True), Intensity(0.0, 1.0)):
        assert np.isfinite(intensity.apply(image)).all()


def test_impossible_intensities_are_refused() -> None:
    for impossible in ({"low": 1.0}, {"low": 1.0, "high": 1.0}, {"mean": 0.0, "sd": 0.0}):
        with pytest.raises(NotApplicable):
            Intensity(**impossible)


def test_the_layers_of_a_plain_network_are_found() -> None:
    network = nn.Sequential(
        nn.Conv3d(1, 2, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(2, 5, 3, padding=1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv3d(5, 3, 3, padding=1),
        nn.ReLU(),
        nn.Conv3d(3, 2, 1),
    )
    found = hear_all(network, None, (8, 8, 8))
    assert found.tile_layer == BOTTLENECK
    assert found.layers[BOTTLENECK] is network[4]
    assert found.layers[LAST] is network[7]
    assert all(not module._forward_hooks for module in network.modules())
    named = hear_all(network, {BOTTLENECK: "3"}, (8, 8, 8))
    assert named.layers == {BOTTLENECK: network[3]}


def test_the_overlap_is_the_networks_own() -> None:
    from hospital_agent.analysis.segmentation.network import look
    from hospital_agent.analysis.segmentation.sliding_window import Listening, tile_starts

    assert tile_starts(100, 40, 0.25) == [0, 30, 60]
    assert tile_starts(100, 40, 0.0) == [0, 30, 60]
    assert tile_starts(120, 40, 0.0) == [0, 40, 80]
    network = nn.Conv3d(1, 2, 1)
    listening = Listening(BOTTLENECK, {BOTTLENECK: network})
    for overlap, count in ((0.0, 27), (0.75, 27 * 27)):
        grid = ForeignGrid.of((1, 1, 1), (4, 4, 4), Intensity(mean=0.0, sd=1.0), overlap)
        seen = look(network, grid, np.zeros((12, 12, 12), np.float32), torch.device("cpu"), listening)
        assert seen.patches is not None
        assert len(seen.patches.starts) == count
