"""The bundled segmenter brings its mask back to the volume's own grid, whatever that is."""

import numpy as np
import pytest
import torch

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid, choose_device
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

GRID = WorkingGrid(spacing_mm=(4.0, 4.0, 4.0), tile=(16, 16, 16))


def segmenter() -> BundledSegmenter:
    torch.manual_seed(1)
    return BundledSegmenter(UNet(UNetShape(channels=(4, 8, 8))), GRID, version="1", model_hash="0" * 64, device="cpu")


@pytest.mark.parametrize(("shape", "spacing"), [((20, 30, 25), (2.0, 2.0, 2.0)), ((5, 40, 41), (10.0, 1.0, 1.3))])
def test_mask_and_probability_lie_on_their_grids(shape, spacing):
    result = segmenter().segment(Volume(np.zeros(shape, dtype=np.float32), spacing))
    assert result.mask.shape == shape
    assert result.probability.shape == tuple(max(1, round(n * s / 4.0)) for n, s in zip(shape, spacing, strict=True))
    lengths = np.array(result.probability.shape) * result.working_spacing_mm
    np.testing.assert_allclose(lengths, np.array(shape) * spacing, rtol=1e-6)
    assert 0 <= result.probability.min() <= result.probability.max() <= 1
    assert (result.backend, result.device, result.passes) == ("bundled", "cpu", 1)


def test_the_same_volume_gives_the_same_answer():
    volume = Volume(np.random.default_rng(0).normal(-500, 300, (10, 20, 20)).astype(np.float32), (4.0, 4.0, 4.0))
    first, second = segmenter().segment(volume), segmenter().segment(volume)
    assert np.array_equal(first.probability, second.probability)
    assert np.array_equal(first.patches.features, second.patches.features)


def test_intensities_are_clipped_and_air_is_minus_one():
    scaled = GRID.normalise(np.array([-3000.0, -1000.0, -300.0, 400.0, 3000.0], dtype=np.float32))
    assert scaled.tolist() == pytest.approx([-1.0, -1.0, 0.0, 1.0, 1.0])


def test_a_device_that_is_not_there_is_said_in_words():
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ValueError, match="auto, cpu or cuda"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            choose_device("cuda")
