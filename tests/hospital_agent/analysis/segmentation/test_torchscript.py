"""A TorchScript network: its mask is known on paper, its features are those it returns, and it runs only if trusted."""

from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import ModelMismatch, NotApplicable, RunsCode
from hospital_agent.analysis.imaging.resample import resample
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.ood.tiles import overlap
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST, Segmentation
from hospital_agent.analysis.segmentation.torchscript import NO_FEATURES, load_torchscript, read_program
from tests.torchscript_model import DESCRIPTION, LEAST_HU, program

OUTPUTS = ["logits", BOTTLENECK, LAST]


def load(features: bool = True, trusted: bool = True, content: bytes | None = None, **changes: Any) -> Any:
    told = {**DESCRIPTION, **({"outputs": OUTPUTS} if features else {}), **changes}
    content = program(features=features) if content is None else content
    return load_torchscript(content, told, trusted=trusted, version="1", model_hash="h", device="cpu")


def volume(spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Volume:
    """Asymmetric in every axis: tissue with one bright block."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 20, (20, 24, 30)).astype(np.float32)
    image[3:9, 14:20, 4:24] = 800.0
    return Volume(image, spacing_mm)


def test_what_is_bright_is_foreground() -> None:
    image = volume()
    found = load().segment(image)
    np.testing.assert_array_equal(found.mask, image.array > LEAST_HU)
    assert found.backend == "torchscript"
    assert found.warnings == ()
    np.testing.assert_allclose(found.class_probabilities.sum(axis=0), 1.0, atol=1e-5)


def test_the_features_are_those_it_returns() -> None:
    found = load().segment(volume())
    assert set(found.layers) == {BOTTLENECK, LAST}
    assert found.layers[BOTTLENECK].mean.shape == (6,)
    assert found.patches.layer == BOTTLENECK
    assert found.patches.features.shape[1] == 6 * 4**3


@pytest.mark.parametrize("code", ["SPL", "LPS", "RAS", "SAR", "IPL"])
def test_the_orientation_decides_what_the_network_sees_and_nothing_else(code: str) -> None:
    """The threshold is the same from every side, so the mask stays; the features turn with the image."""
    image = volume((3.0, 2.0, 1.5))
    found, upright = load(orientation=code).segment(image), load().segment(image)
    assert found.mask.shape == found.probability.shape[:0] + image.shape
    np.testing.assert_array_equal(found.mask, upright.mask)
    np.testing.assert_allclose(found.probability, upright.probability, atol=1e-5)
    np.testing.assert_allclose(found.working_spacing_mm, upright.working_spacing_mm)
    if code != "SPL":
        assert not np.allclose(found.layers[BOTTLENECK].mean, upright.layers[BOTTLENECK].mean, rtol=1e-3)
    check_tiles(found, image, code)


def check_tiles(found: Segmentation, image: Volume, code: str) -> None:
    """Each row is what the network says of the voxels where its tile is said to lie."""
    network = read_program(program())
    working = (resample(image.array, image.spacing_mm, (2.0, 2.0, 2.0)) + 1000) / 2000
    letters = {"S": (0, 1), "I": (0, -1), "P": (1, 1), "A": (1, -1), "L": (2, 1), "R": (2, -1)}
    order, steps = zip(*(letters[letter] for letter in code), strict=True)
    assert found.patches is not None
    for row, start in list(zip(found.patches.features, found.patches.starts, strict=True))[::7]:
        real, inner = overlap(start, (16, 16, 16), working.shape)
        tile = np.zeros((16, 16, 16), dtype=np.float32)
        tile[inner] = np.clip(working[real], 0, 1)
        seen = tile.transpose(order)[tuple(slice(None, None, step) for step in steps)]
        deep = network(torch.from_numpy(np.ascontiguousarray(seen))[None, None])[1]
        np.testing.assert_allclose(row, deep.numpy().ravel(), rtol=1e-3, atol=1e-3)


def test_without_outputs_to_listen_to_it_segments_and_says_so() -> None:
    found = load(features=False).segment(volume())
    np.testing.assert_array_equal(found.mask, volume().array > LEAST_HU)
    assert found.patches is None
    assert found.layers == {}
    assert found.warnings == (NO_FEATURES,)


def test_it_runs_only_if_trusted() -> None:
    with pytest.raises(RunsCode):
        load(trusted=False)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None], ids=["empty", "no archive", "cut off"])
def test_other_files_are_refused(content: bytes | None) -> None:
    with pytest.raises(ModelMismatch):
        load(content=program()[:-200] if content is None else content)


@pytest.mark.parametrize(
    "changes",
    [
        {"spacing_mm": [1, 2]},
        {"spacing_mm": [1, 2, 0]},
        {"tile": [16, 16, 0]},
        {"overlap": 1.0},
        {"orientation": "XYZ"},
        {"intensity": {"low": 5.0, "high": 5.0}},
        {"intensity": {"lower": 5.0}},
        {"classes": "two"},
        {"outputs": [BOTTLENECK]},
        {"spacing": [2, 2, 2]},
    ],
)
def test_a_description_that_cannot_be_followed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ModelMismatch, NotApplicable)):
        load(**changes)


def test_a_network_that_returns_something_else_is_refused() -> None:
    with pytest.raises(ModelMismatch):
        load(outputs=["logits", BOTTLENECK]).segment(volume())
