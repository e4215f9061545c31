"""Lee's GAN training: one loss with three exact gradients, in 2-D and in 3-D, and a segmenter that goes on working."""

from collections.abc import Iterator
from copy import deepcopy
from math import log
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.training.lee_gan import (
    LATENT,
    Discriminator,
    Drawn,
    Generator,
    LeeGan,
    LeeTraining,
    joint_loss,
    kl_from_uniform,
    train_lee,
)
from hospital_agent.training.loop import TrainingDiverged
from hospital_agent.training.segmenter import Batch, segmentation_loss
from tests.hospital_agent.training.test_outlier_exposure import SHAPE, SIDE, dice, doubt, plain, squares

__all__ = ["plain"]  # a fixture
PATCH = (1, SIDE, SIDE)
SOLID = UNetShape(channels=(4, 6), classes=3, dropout=0.0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(3)


def case(kind: str) -> tuple[LeeGan, Drawn]:
    patch, shape = (PATCH, SHAPE) if kind == "flat" else ((8, 12, 16), SOLID)
    made = LeeGan(UNet(shape), patch)
    images = torch.randn(2, 1, *patch)
    return made, (images, torch.randint(shape.classes, (2, *patch)), torch.randn(2, LATENT))


@pytest.mark.parametrize("kind", ["flat", "solid"])
@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_each_part_gets_the_gradient_of_its_own_loss_and_nothing_else(kind: str, beta: float) -> None:
    """The three losses of the paper, written here once more without any detaching, each differentiated by itself."""
    made, batch = case(kind)
    images, labels, latent = batch
    joint_loss(made, batch, beta).backward()
    drawn = made.generator(latent)
    softmax = torch.softmax(made.segmenter(drawn), dim=1)
    classes = softmax.shape[1]
    ignorance = (torch.log(1 / (classes * softmax)) / classes).sum(dim=1).mean()
    real, false = torch.sigmoid(made.discriminator(images)), torch.sigmoid(made.discriminator(drawn))
    losses = {
        "segmenter": segmentation_loss(made.segmenter, (images, labels)) + beta * ignorance,
        "discriminator": -real.log().mean() - (1 - false).log().mean(),
        "generator": -false.log().mean() + beta * ignorance,
    }
    for name, part in made.named_children():
        expected = torch.autograd.grad(losses[name], list(part.parameters()), retain_graph=True)
        assert any(gradient.abs().max() > 0 for gradient in expected)
        for weight, gradient in zip(part.parameters(), expected, strict=True):
            torch.testing.assert_close(weight.grad, gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("patch", [(1, 128, 128), (24, 32, 24), (1, 16, 20), (8, 12, 16), (5, 7, 9), (2, 4, 8)])
def test_tiles_have_the_patch_s_shape_and_get_a_judgement_each(patch: tuple[int, int, int]) -> None:
    with torch.no_grad():
        drawn = Generator(patch)(torch.randn(2, LATENT))
        assert drawn.shape == (2, 1, *patch)
        assert Discriminator(patch)(drawn).shape == (2,)


def test_kl_on_paper() -> None:
    assert float(kl_from_uniform(torch.zeros(1, 4, 1, 1, 1))) == pytest.approx(0.0, abs=1e-6)
    two = torch.tensor([0.8, 0.2]).log()[None, :, None, None, None]
    assert float(kl_from_uniform(two)) == pytest.approx(0.5 * log(0.5 / 0.8) + 0.5 * log(0.5 / 0.2), rel=1e-5)


def test_it_goes_on_segmenting_and_doubts_what_its_generator_draws(plain: UNet, tmp_path: Path) -> None:
    trained = deepcopy(plain)
    train_lee(trained, PATCH, squares(1), [next(squares(2))], tmp_path, LeeTraining(40, 1e-2))
    assert dice(trained) > 0.9
    torch.manual_seed(0)
    made = LeeGan(deepcopy(plain), PATCH)
    made.load_state_dict(torch.load(next(tmp_path.glob("step*.pt")), weights_only=True))
    with torch.no_grad():
        drawn = made.generator(torch.randn(4, LATENT))
    assert doubt(trained, drawn) > doubt(plain, drawn) + 0.1


def test_the_seed_decides_and_a_finished_run_is_taken_up(plain: UNet, tmp_path: Path) -> None:
    def run(place: str, seed: int, batches: Iterator[Batch]) -> dict[str, Tensor]:
        network = deepcopy(plain)
        train_lee(network, PATCH, batches, [next(squares(2))], tmp_path / place, LeeTraining(3, 5e-3, seed=seed))
        return network.state_dict()

    first = run("a", 0, squares(1))
    for again in (run("b", 0, squares(1)), run("a", 0, iter(()))):
        assert all(torch.equal(value, again[key]) for key, value in first.items())
    other = run("c", 1, squares(1))
    assert any(not torch.equal(value, other[key]) for key, value in first.items())


def test_a_loss_that_is_no_number_ends_the_training(plain: UNet, tmp_path: Path) -> None:
    broken = ((images * torch.nan, labels) for images, labels in squares(1))
    with pytest.raises(TrainingDiverged):
        train_lee(deepcopy(plain), PATCH, broken, [next(squares(2))], tmp_path, LeeTraining(2, 5e-3))
