"""The optional backend: not there unless package and weights are, and then it hands the network's labels on."""

import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

from hospital_agent.analysis.errors import BackendUnavailable
from hospital_agent.analysis.imaging.lungs import lungmask as module
from hospital_agent.analysis.imaging.lungs.lungmask import LungmaskLungs
from hospital_agent.analysis.imaging.volume import Volume


class FakeInferer:
    """What lungmask 0.2.22 offers: built from a path, answers a (Z, Y, X) array with labels 0, 1 and 2."""

    built_with: ClassVar[dict] = {}

    def __init__(self, modelpath: str, force_cpu: bool, tqdm_disable: bool) -> None:
        type(self).built_with = {"modelpath": modelpath, "force_cpu": force_cpu}

    def apply(self, image: np.ndarray) -> np.ndarray:
        assert image.min() >= -1024
        labels = np.zeros(image.shape, np.uint8)
        labels[image < -500] = 1
        labels[..., image.shape[2] // 2 :][image[..., image.shape[2] // 2 :] < -500] = 2
        return labels


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "unet_r231.pth"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("lungmask")
    package.LMInferer = FakeInferer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lungmask", package)
    monkeypatch.setattr(module, "find_spec", lambda _: object())


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(BackendUnavailable, match="not installed"):
        LungmaskLungs(weights)


@pytest.mark.usefixtures("installed")
def test_without_weights_it_says_so_and_fetches_nothing(tmp_path: Path) -> None:
    for path in (None, tmp_path / "missing.pth"):
        with pytest.raises(BackendUnavailable, match="local file"):
            LungmaskLungs(path)


@pytest.mark.usefixtures("installed")
def test_both_labels_are_lung(weights: Path) -> None:
    array = np.full((3, 4, 6), -2000, np.int16)
    array[:, 1:3, 1:5] = -800
    array[0] = 40
    found = LungmaskLungs(weights, "cpu").find(Volume(array, (5.0, 1.0, 1.0)))
    assert found is not None
    np.testing.assert_array_equal(found, array < -500)
    assert FakeInferer.built_with == {"modelpath": str(weights), "force_cpu": True}


@pytest.mark.usefixtures("installed")
def test_no_lungs_and_no_ct_have_none(weights: Path) -> None:
    solid = np.full((3, 4, 6), 40, np.int16)
    assert LungmaskLungs(weights).find(Volume(solid, (5.0, 1.0, 1.0))) is None
    assert LungmaskLungs(weights).find(Volume(solid - 900, (5.0, 1.0, 1.0), modality="MR")) is None
