"""The activation autoencoder: it fits any bottleneck, says which tile it was made for, and is small."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import FeatureShapeError, TileMismatch
from hospital_agent.analysis.segmentation.autoencoder import AutoencoderShape, fresh_autoencoder
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

OURS = [
    (UNetShape(channels=(8, 16, 32, 64, 96), classes=4, depth_kernel=1, depth_stride=1), (1, 128, 128)),
    (UNetShape(channels=(16, 32, 64), classes=3), (32, 48, 32)),
    (UNetShape(), (80, 80, 80)),
]


@pytest.mark.parametrize(("shape", "tile"), OURS)
def test_it_fits_the_bottlenecks_of_our_networks(shape: UNetShape, tile: tuple[int, int, int]) -> None:
    with torch.inference_mode():
        bottleneck = UNet(shape).encode(torch.zeros(1, 1, *tile))[-1]
        chosen = AutoencoderShape.chosen(tuple(bottleneck.shape[1:]), tile)
        reconstructed, latents = fresh_autoencoder(chosen, 0).answer(bottleneck)
    assert reconstructed.shape == bottleneck.shape
    assert latents.shape == (1, chosen.latent)
    assert chosen.latent * 8 <= bottleneck[0].numel(), "the bottleneck of the autoencoder is the narrow one"


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 40), z=st.integers(1, 6), y=st.integers(1, 9), x=st.integers(1, 9))
def test_it_fits_any_grid(channels: int, z: int, y: int, x: int) -> None:
    chosen = AutoencoderShape.chosen((channels, z, y, x), (z, y, x))
    with torch.inference_mode():
        made = fresh_autoencoder(chosen, 0)(torch.randn(2, channels, z, y, x))
    assert made.shape == (2, channels, z, y, x)
    assert bool(torch.isfinite(made).all())


def test_a_flat_network_has_no_depth_axis_and_needs_none() -> None:
    flat = torch.randn(3, 6, 8, 8)
    autoencoder = fresh_autoencoder(AutoencoderShape.chosen((6, 8, 8), (1, 64, 64)), 0).eval()
    reconstructed, latents = autoencoder.answer(flat)
    assert reconstructed.shape == flat.shape
    torch.testing.assert_close(autoencoder(flat[:, :, None])[:, :, 0], reconstructed)
    assert latents.shape == (3, autoencoder.shape.latent)


def test_tiles_of_one_batch_do_not_know_of_each_other() -> None:
    batch = torch.randn(4, 6, 2, 5, 5)
    autoencoder = fresh_autoencoder(AutoencoderShape.chosen((6, 2, 5, 5), (8, 20, 20)), 0).train()
    torch.testing.assert_close(autoencoder(batch)[1:2], autoencoder(batch[1:2]), rtol=1e-4, atol=1e-5)


def test_another_bottleneck_is_refused_with_the_tile_to_cut() -> None:
    autoencoder = fresh_autoencoder(AutoencoderShape.chosen((6, 1, 8, 8), (1, 128, 96)), 0)
    with pytest.raises(TileMismatch, match=r"6 x 1 x 8 x 8 .* 6 x 1 x 4 x 8: cut tiles of 1 x 128 x 96 voxels"):
        autoencoder(torch.zeros(1, 6, 1, 4, 8))
    with pytest.raises(TileMismatch):
        autoencoder(torch.zeros(1, 7, 1, 8, 8))


def test_the_seed_decides_the_weights_and_disturbs_no_other_draw() -> None:
    shape = AutoencoderShape.chosen((4, 2, 2, 2), (8, 8, 8))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (fresh_autoencoder(shape, seed) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    weights = [autoencoder.down[0][0].weight for autoencoder in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_shapes_that_are_none_are_refused() -> None:
    with pytest.raises(FeatureShapeError):
        AutoencoderShape.chosen((6, 8), (1, 64, 64))
    with pytest.raises(FeatureShapeError):
        AutoencoderShape.chosen((6, 0, 8), (1, 64, 64))
