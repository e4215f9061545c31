"""Outlier exposure: its loss on paper, and that it raises the doubt on what is foreign and leaves the task alone."""

import json
from collections.abc import Iterator
from copy import deepcopy
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.training.loop import LoopPlan, TrainingDiverged, train
from hospital_agent.training.outlier_exposure import ExposureTraining, cross_entropy_to_uniform, expose, exposure_loss
from hospital_agent.training.segmenter import Batch, segmentation_loss

SHAPE = UNetShape(channels=(4, 8), classes=2, dropout=0.0, depth_kernel=1, depth_stride=1)
SIDE = 16


def squares(seed: int) -> Iterator[Batch]:
    """A bright square somewhere in noise."""
    rng = np.random.default_rng(seed)
    while True:
        labels = np.zeros((4, 1, SIDE, SIDE), dtype=np.int64)
        for one in labels:
            y, x = rng.integers(2, SIDE - 10, 2)
            one[0, y : y + 8, x : x + 8] = 1
        images = 2.0 * labels + rng.normal(0, 0.3, labels.shape)
        yield torch.from_numpy(images.astype(np.float32))[:, None], torch.from_numpy(labels)


def stripes(seed: int) -> Iterator[Tensor]:
    rng = np.random.default_rng(seed)
    while True:
        waves = np.sin(np.arange(SIDE)[None] * rng.uniform(1, 2, (4, 1)))[:, None, None, None, :]
        yield torch.from_numpy((2 * waves + rng.normal(0, 0.3, (4, 1, 1, SIDE, SIDE))).astype(np.float32))


def pairs(seed: int) -> Iterator[tuple[Batch, Tensor]]:
    return zip(squares(seed), stripes(seed), strict=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> UNet:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = UNet(SHAPE)
    plan = LoopPlan(80, 1e-2, validate_every=80, keep_best=1)
    train(network, squares(0), segmentation_loss, lambda _: 0.0, plan, tmp_path_factory.mktemp("plain"))
    return network.eval()


def dice(network: nn.Module) -> float:
    images, labels = next(squares(99))
    with torch.no_grad():
        found = network.eval()(images).argmax(dim=1)
    return 2 * float((found * labels).sum()) / float((found + labels).sum())


def doubt(network: nn.Module, tiles: Tensor) -> float:
    with torch.no_grad():
        return 1 - float(torch.softmax(network.eval()(tiles), dim=1).amax(dim=1).mean())


def test_the_cross_entropy_to_uniform_on_paper() -> None:
    assert float(cross_entropy_to_uniform(torch.zeros(2, 3, 1, 2, 2))) == pytest.approx(log(3))
    halves = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log().T[None, :, None, None, :]  # two voxels, two classes
    expected = (-(log(0.9) + log(0.1)) / 2 + log(2)) / 2
    assert float(cross_entropy_to_uniform(halves)) == pytest.approx(expected, rel=1e-6)


def test_certainty_costs_and_a_sure_network_still_has_a_finite_loss() -> None:
    sure = torch.tensor([0.0, 200.0])[None, :, None, None, None]
    assert float(cross_entropy_to_uniform(sure)) == pytest.approx(100.0)


def test_the_loss_is_the_own_one_plus_the_weighted_outliers(plain: UNet) -> None:
    own, outliers = next(pairs(5))
    expected = segmentation_loss(plain, own) + 0.25 * cross_entropy_to_uniform(plain(outliers))
    torch.testing.assert_close(exposure_loss(plain, (own, outliers), 0.25), expected)
    torch.testing.assert_close(exposure_loss(plain, (own, outliers), 0.0), segmentation_loss(plain, own))


def test_it_learns_to_doubt_what_is_foreign_and_goes_on_segmenting(plain: UNet, tmp_path: Path) -> None:
    exposed, as_long, new_stripes, new_own = deepcopy(plain), deepcopy(plain), next(stripes(50)), next(squares(50))[0]
    expose(exposed, pairs(1), [next(pairs(2))], tmp_path / "exposed", ExposureTraining(60, 1e-2))
    expose(as_long, pairs(1), [next(pairs(2))], tmp_path / "control", ExposureTraining(60, 1e-2, weight=0.0))
    assert dice(plain) > 0.9
    assert dice(exposed) > 0.9
    assert doubt(exposed, new_stripes) > max(doubt(plain, new_stripes), doubt(as_long, new_stripes)) + 0.1
    assert doubt(exposed, new_own) < 0.1
    curve = json.loads((tmp_path / "exposed" / "curve.json").read_text())["curve"]
    assert len(curve) == 5
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_a_finished_run_is_taken_up_without_a_step_and_the_seed_decides(plain: UNet, tmp_path: Path) -> None:
    plan = ExposureTraining(4, 5e-3)
    runs = [deepcopy(plain) for _ in range(3)]
    for network, place in zip(runs, ("a", "b"), strict=False):
        expose(network, pairs(1), [next(pairs(2))], tmp_path / place, plan)
    expose(runs[2], iter(()), [next(pairs(2))], tmp_path / "a", plan)
    for other in runs[1:]:
        for key, value in runs[0].state_dict().items():
            torch.testing.assert_close(other.state_dict()[key], value)
    assert any(not torch.equal(value, plain.state_dict()[key]) for key, value in runs[0].state_dict().items())


def test_a_loss_that_is_no_number_ends_the_training(plain: UNet, tmp_path: Path) -> None:
    broken = ((own, tiles * torch.nan) for own, tiles in pairs(1))
    with pytest.raises(TrainingDiverged):
        expose(deepcopy(plain), broken, [next(pairs(2))], tmp_path, ExposureTraining(2, 5e-3))
