"""The network: shapes, dropout in every level, and that encode and decode are the forward pass."""

import pytest
import torch
from torch import nn

from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

SMALL = UNetShape(channels=(4, 8, 8), classes=3)


@pytest.fixture(scope="module")
def network() -> UNet:
    torch.manual_seed(0)
    return UNet(SMALL).eval()


def test_logits_lie_on_the_grid_of_the_tile(network):
    assert network(torch.zeros(2, 1, 8, 12, 16)).shape == (2, 3, 8, 12, 16)


def test_the_bottleneck_is_smaller_by_the_divisor(network):
    tile = torch.zeros(1, 1, 16, 16, 16)
    assert SMALL.divisor == 4
    assert network.encode(tile)[-1].shape == (1, 8, 4, 4, 4)


def test_decoding_what_was_encoded_is_the_forward_pass(network):
    tile = torch.randn(1, 1, 8, 8, 8)
    assert torch.equal(network.decode(network.encode(tile)), network(tile))


def test_every_level_has_its_dropout(network):
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout3d)]
    assert len(dropouts) == len(SMALL.channels) * 2 - 1
    assert all(dropout.p == 0.1 for dropout in dropouts)


def test_the_shipped_shape_fits_into_eight_megabytes():
    network = UNet(UNetShape())
    assert sum(p.numel() for p in network.parameters()) * 4 < 8e6
