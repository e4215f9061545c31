"""What a network gives the scores of several answers: passes with dropout, and a step along its own gradient."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import NoDropout, NoGradient
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import DropoutSegmenter, GradientSegmenter, Segmentation
from hospital_agent.analysis.segmentation.network import NetworkSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.sliding_window import NOTHING
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.mc_dropout import McDropout
from hospital_agent.analysis.uncertainty.odin import Odin
from hospital_agent.analysis.uncertainty.temperature_softmax import TemperatureSoftmax1000

GRID = WorkingGrid(spacing_mm=(2.0, 2.0, 2.0), tile=(8, 8, 8), scheme="standardised")


class Blind(nn.Module):
    """A network that cuts the gradient at its input, as a quantised one does; its weights keep theirs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tile: Tensor) -> Tensor:
        logits: Tensor = self.network(tile.detach())
        return logits


class Frozen(Blind):
    """A network that gives no gradient at all."""

    def forward(self, tile: Tensor) -> Tensor:
        return super().forward(tile).detach()


def tiny(classes: int = 2, dropout: float = 0.3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 6, 3, padding=1), nn.LeakyReLU(0.1), nn.Dropout3d(dropout), nn.Conv3d(6, classes, 3, padding=1)
    )


def segmenter(network: nn.Module, classes: int = 2) -> NetworkSegmenter:
    return NetworkSegmenter(
        network, GRID, keep=NOTHING, classes=classes, backend="t", version="0", model_hash="0", device="cpu"
    )


def volume() -> Volume:
    return Volume(np.random.default_rng(0).normal(size=(10, 12, 11)).astype(np.float32), (2.0, 2.0, 2.0), modality="MR")


def softmaxes(answers: "list[Segmentation]") -> np.ndarray:
    return np.stack([answer.class_probabilities for answer in answers])  # type: ignore[misc]


def test_samples_and_perturbs() -> None:
    assert isinstance(segmenter(tiny()), DropoutSegmenter)
    assert isinstance(segmenter(tiny()), GradientSegmenter)


@pytest.mark.parametrize("dropout", [None, 0.0])
def test_a_network_without_dropout_is_not_sampled(dropout: float | None) -> None:
    network = nn.Conv3d(1, 2, 3, padding=1) if dropout is None else tiny(dropout=dropout)
    with pytest.raises(NoDropout):
        McDropout().compute(segmenter(network).sample(volume(), 10, seed=0))


def test_samples_are_seeded() -> None:
    network = segmenter(tiny())
    first, again, other = (softmaxes(list(network.sample(volume(), 4, seed=s))) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 4


def test_sampling_leaves_the_rest_of_the_program_its_own_chance() -> None:
    network = segmenter(tiny())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(network.sample(volume(), 2, seed=1))
    torch.testing.assert_close(torch.rand(3), expected)


def interrupt_by_drawing(network: NetworkSegmenter) -> None:
    torch.rand(7)


def interrupt_by_segmenting(network: NetworkSegmenter) -> None:
    plain = segmenter(tiny()).segment(volume())
    np.testing.assert_array_equal(network.segment(volume()).probability, plain.probability)


def interrupt_by_sampling(network: NetworkSegmenter) -> None:
    list(network.sample(volume(), 1, seed=9))


@pytest.mark.parametrize("interrupt", [interrupt_by_drawing, interrupt_by_segmenting, interrupt_by_sampling])
def test_what_happens_between_two_samples_does_not_change_them(interrupt: Callable[[NetworkSegmenter], None]) -> None:
    network = segmenter(tiny())
    expected = softmaxes(list(network.sample(volume(), 3, seed=1)))
    seen = []
    for answer in network.sample(volume(), 3, seed=1):
        seen.append(answer)
        interrupt(network)
    np.testing.assert_array_equal(softmaxes(seen), expected)


def test_after_sampling_the_network_is_as_before() -> None:
    network = segmenter(tiny())
    before = network.segment(volume()).probability
    next(network.sample(volume(), 3, seed=0))  # never finished
    np.testing.assert_array_equal(network.segment(volume()).probability, before)


@pytest.mark.parametrize("classes", [2, 3])
def test_no_step_changes_nothing(classes: int) -> None:
    network = segmenter(tiny(classes), classes)
    plain, moved = network.segment(volume()), network.perturb(volume(), Odin.temperature, 0.0)
    np.testing.assert_array_equal(moved.class_probabilities, plain.class_probabilities)
    np.testing.assert_array_equal(moved.mask, plain.mask)
    assert (plain.passes, moved.passes) == (1, Odin.passes)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("temperature", [1.0, 1000.0])
def test_a_small_step_raises_confidence_and_a_longer_one_raises_it_more(classes: int, temperature: float) -> None:
    network = segmenter(tiny(classes), classes)
    doubts = [
        TemperatureSoftmax1000().compute(network.perturb(volume(), temperature, epsilon))
        for epsilon in (0.0, Odin.epsilon, 5 * Odin.epsilon)
    ]
    assert doubts[0] > doubts[1] > doubts[2]


@pytest.mark.parametrize("without", [Blind, Frozen])
def test_a_network_without_a_gradient_is_not_perturbed(without: type[Blind]) -> None:
    with pytest.raises(NoGradient):
        segmenter(without(tiny())).perturb(volume(), Odin.temperature, Odin.epsilon)


def test_perturbing_leaves_no_gradient_behind() -> None:
    network = segmenter(tiny())
    network.perturb(volume(), Odin.temperature, Odin.epsilon)
    assert all(weight.grad is None for weight in network.network.parameters())


@pytest.mark.parametrize("name", sampled_scores.load("hospital_agent.analysis.uncertainty").names())
@pytest.mark.parametrize("classes", [2, 4])
def test_every_score_takes_what_networks_answer(name: str, classes: int) -> None:
    score = sampled_scores.get(name)()
    network = segmenter(tiny(classes), classes)
    answers = {
        "dropout": lambda: network.sample(volume(), 3, seed=0),
        "ensemble": lambda: (segmenter(tiny(classes, p), classes).segment(volume()) for p in (0.1, 0.2)),
        "gradient": lambda: [network.perturb(volume(), Odin.temperature, Odin.epsilon)],
        "outlier_exposure": lambda: [network.segment(volume())],
        "lee_gan": lambda: [network.segment(volume())],
    }[score.source]()
    value = score.compute(answers)
    assert value is not None
    assert score.quantity.accepts(value)
