"""What is kept of two answers: by hand on two voxels, blended before they are compared, real voxels only."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import GeometryMismatch, TileMismatch
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.autoencoder import AutoencoderShape, fresh_autoencoder
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.distortion import (
    dilated,
    distortion_of,
    squared_difference,
)
from hospital_agent.analysis.segmentation.sliding_window import importance_map, sliding_window, tile_starts
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.simulation.patient import cleared

SPACING_MM = (1.5, 1.5, 1.5)
TILE = (8, 16, 16)
GRID = WorkingGrid(spacing_mm=SPACING_MM, tile=TILE, scheme="standardised")
NO_LATENTS = np.zeros((1, 2), np.float32)


def segmenter() -> BundledSegmenter:
    torch.manual_seed(0)
    network = UNet(UNetShape(channels=(4, 6, 8), classes=3))
    return BundledSegmenter(network, GRID, version="1", model_hash="0" * 64, device="cpu")


def autoencoder(seed: int = 1, tile: tuple[int, int, int] = TILE):
    z, y, x = (n // 4 for n in tile)
    return fresh_autoencoder(AutoencoderShape.chosen((8, z, y, x), tile), seed).eval()


def volume(shape: tuple[int, int, int] = (13, 20, 16)) -> Volume:
    return Volume(np.random.default_rng(3).normal(size=shape).astype(np.float32), SPACING_MM, modality="MR")


def test_two_voxels_by_hand() -> None:
    plain = np.array([[0.9, 0.5], [0.1, 0.5]], np.float32).reshape(2, 1, 1, 2)
    distorted = np.array([[0.6, 0.5], [0.4, 0.5]], np.float32).reshape(2, 1, 1, 2)
    squares = squared_difference(plain, distorted)
    np.testing.assert_allclose(squares.reshape(2, 2), [[0.09, 0], [0.09, 0]], atol=1e-7)
    found = distortion_of(squares, np.zeros((1, 1, 2), bool), SPACING_MM, NO_LATENTS)
    np.testing.assert_allclose(found.by_class, [0.045, 0.045], atol=1e-7)
    assert found.by_class.mean() == pytest.approx((0.3**2 + 0.3**2) / 2 / 2)  # eq. 4: 2 voxels, 2 classes
    assert found.by_class_foreground is None


def test_around_the_foreground_nothing_farther_counts() -> None:
    squares = np.zeros((2, 1, 1, 20), np.float32)
    squares[:, 0, 0, 10:] = np.arange(10)[None] / 10
    foreground = np.zeros((1, 1, 20), bool)
    foreground[0, 0, 12] = True
    near = dilated(foreground, SPACING_MM)
    assert np.flatnonzero(near[0, 0]).tolist() == [9, 10, 11, 12, 13, 14, 15]  # 4 mm are 3 voxels of 1.5 mm
    found = distortion_of(squares, foreground, SPACING_MM, NO_LATENTS)
    assert found.by_class_foreground is not None
    np.testing.assert_allclose(found.by_class_foreground, [squares[0, 0, 0, 9:16].mean()] * 2, rtol=1e-6)


def test_thick_slices_are_grown_by_one_voxel_at_least() -> None:
    one = np.zeros((5, 1, 9), bool)
    one[2, 0, 4] = True
    assert dilated(one, (10.0, 1.0, 1.0)).sum() == 3 * 9


def test_maps_of_different_shapes_are_refused() -> None:
    with pytest.raises(GeometryMismatch):
        squared_difference(np.zeros((2, 1, 1, 2), np.float32), np.zeros((3, 1, 1, 2), np.float32))


def test_without_an_autoencoder_nothing_is_told_and_with_one_nothing_else_changes() -> None:
    made = segmenter()
    plain = made.segment(volume())
    assert plain.distortion is None
    made.attach(autoencoder())
    with_one = made.segment(volume())
    np.testing.assert_array_equal(with_one.class_probabilities, plain.class_probabilities)
    np.testing.assert_array_equal(with_one.labels, plain.labels)
    for name, layer in plain.layers.items():
        np.testing.assert_array_equal(with_one.layers[name].gram, layer.gram)
    assert with_one.passes == 1
    assert with_one.distortion is not None
    assert next(made.sample(volume(), 1, 0)).distortion is None
    assert made.perturb(volume(), 1.0, 0.01).distortion is None
    made.attach(None)
    assert made.segment(volume()).distortion is None


def test_the_difference_is_that_of_the_blended_maps_over_real_voxels() -> None:
    """Against a recomputation from the beginning: one tile at a time, two whole passes, a hook, plain loops."""
    made, shape = segmenter(), (13, 20, 10)  # padded along X, two tiles along Z and Y
    made.attach(autoencoder())
    seen = made.segment(volume(shape))
    network, other = made.network, autoencoder()
    image = GRID.normalise(volume(shape).array)
    maps = [np.zeros((3, *shape)), np.zeros((3, *shape))]
    total, latents = np.zeros(shape), []
    weights = importance_map(TILE)
    padded = np.full([n + 2 * t for n, t in zip(shape, TILE, strict=True)], image.min(), np.float32)
    padded[tuple(slice(t, t + n) for n, t in zip(shape, TILE, strict=True))] = image
    for start in product(*(tile_starts(n, t) for n, t in zip(shape, TILE, strict=True))):
        tile = padded[tuple(slice(s + t, s + 2 * t) for s, t in zip(start, TILE, strict=True))]
        batch = torch.from_numpy(tile.copy())[None, None]
        with torch.no_grad():
            plain = torch.softmax(network(batch), dim=1)[0].numpy()
            latents.append(other.encode(network.encode(batch)[-1])[0].numpy())
            handle = network.encoder[-1].register_forward_hook(lambda _m, _i, out: other(out))
            distorted = torch.softmax(network(batch), dim=1)[0].numpy()
            handle.remove()
        for place in product(*(range(t) for t in TILE)):
            voxel = tuple(s + p for s, p in zip(start, place, strict=True))
            if all(0 <= v < n for v, n in zip(voxel, shape, strict=True)):
                for into, answer in zip(maps, (plain, distorted), strict=True):
                    into[(slice(None), *voxel)] += weights[place] * answer[(slice(None), *place)]
                total[voxel] += weights[place]
    expected = ((maps[0] - maps[1]) / total) ** 2
    assert seen.distortion is not None
    np.testing.assert_allclose(seen.distortion.squares, expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(seen.distortion.by_class, expected.mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(seen.distortion.latents, latents, rtol=1e-4, atol=1e-5)
    assert expected.mean() > 1e-4


def test_in_ct_both_answers_are_background_outside_the_body() -> None:
    torch.manual_seed(0)
    grid = WorkingGrid(spacing_mm=(2.0, 2.0, 2.0), tile=(8, 8, 8))
    made = BundledSegmenter(UNet(UNetShape(channels=(4, 6, 8))), grid, version="1", model_hash="0" * 64, device="cpu")
    made.attach(autoencoder(tile=(8, 8, 8)))
    image = np.full((30, 30, 30), -1000, np.float32)
    image[10:20, 10:20, 10:20] = np.random.default_rng(0).normal(0, 50, (10, 10, 10))
    found = made.segment(Volume(image, (2.0, 2.0, 2.0))).distortion
    assert found is not None
    assert found.squares is not None
    assert found.squares.shape == (2, 30, 30, 30)
    assert found.squares[:, 14, 14, 14].max() > 0
    assert found.squares[:, 0].max() == 0.0
    np.testing.assert_allclose(found.by_class, found.squares.mean(axis=(1, 2, 3), dtype=np.float64))


def test_an_autoencoder_for_another_tile_is_refused_at_once() -> None:
    with pytest.raises(TileMismatch, match="tiles of 8 x 16 x 24 voxels, and this model cuts 8 x 16 x 16"):
        segmenter().attach(autoencoder(tile=(8, 16, 24)))


def test_the_sliding_window_without_a_distorter_keeps_no_second_map() -> None:
    network = segmenter().network
    seen = sliding_window(network, np.zeros((8, 16, 16), np.float32), TILE, torch.device("cpu"), 0.0)
    assert seen.distorted is None
    assert seen.latents is None


def test_where_nothing_is_known_nothing_differs() -> None:
    made = segmenter()
    made.attach(autoencoder())
    seen = made.segment(volume())
    everywhere = cleared(seen, np.ones(volume().shape, bool), volume())
    assert everywhere.distortion is not None
    assert everywhere.distortion.by_class.max() == 0.0
    assert everywhere.distortion.by_class_foreground is None
    half = np.zeros(volume().shape, bool)
    half[:6] = True
    known = cleared(seen, half, volume()).distortion
    assert known is not None
    assert seen.distortion is not None
    assert seen.distortion.squares is not None
    expected = seen.distortion.squares[:, 6:].sum(axis=(1, 2, 3)) / np.prod(volume().shape)
    np.testing.assert_allclose(known.by_class, expected, rtol=1e-5)
    without_map = replace(seen, distortion=replace(seen.distortion, squares=None))
    assert cleared(without_map, half, volume()).distortion is None
