"""Training the activation autoencoder of a network that stays as it is: the segmentation is to survive it.

The loss is the Huber distance between the logits without and with the autoencoder, plus the mean squared distance
between the bottleneck and its reconstruction; the weights of the network are frozen and it runs as in use.

Source:
    Lennartz and Schultz, Segmentation Distortion, 2023, eq. 1-3. Differs: eq. 1 is a squared distance in the paper and
    a Huber loss in its published code, which is taken here; a set number of steps on the loop of all our trainers, with
    the best checkpoint on held-out tiles, instead of until convergence.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.segmentation.autoencoder import (
    LATENT,
    ActivationAutoencoder,
    AutoencoderShape,
    fresh_autoencoder,
)
from hospital_agent.analysis.segmentation.base import BOTTLENECK
from hospital_agent.analysis.segmentation.distorter import distorter_for, halves_of
from hospital_agent.analysis.segmentation.layers import listening
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.nnunet import NnunetSegmenter
from hospital_agent.training.loop import LoopPlan, load_best, train

HELD_OUT_TILES = 16
Trainable = NetworkSegmenter | NnunetSegmenter


@dataclass(frozen=True)
class AutoencoderTraining:
    """How long and how.

    Args:
        steps, learning_rate: of the loop.
        batch: tiles of one step.
        latent: largest number of numbers of the latent vector.
        seed: of weights and tiles.
    """

    steps: int = 300
    learning_rate: float = 2e-3
    batch: int = 2
    latent: int = LATENT
    seed: int = 0


def train_for(
    segmenter: Trainable,
    train_on: Sequence[FloatArray],
    validate_on: Sequence[FloatArray],
    folder: Path,
    plan: AutoencoderTraining | None = None,
) -> ActivationAutoencoder:
    """Train on random tiles of images as the segmenter sees them, or take up the run that lies in `folder`.

    Args:
        train_on, validate_on: images from the segmenter's `working_image`; the second choose the checkpoint.

    Raises:
        TooFewCases: a part has no image.
        MissingLayer: the network has neither halves nor a layer that is called its bottleneck.
    """
    plan = plan or AutoencoderTraining()
    if not train_on or not validate_on:
        raise TooFewCases("An autoencoder is trained on at least one image and chosen on at least one other.")
    held_out = random_tiles(validate_on, segmenter, plan.batch, np.random.default_rng([plan.seed, 1]))
    fixed = [next(held_out) for _ in range(max(1, HELD_OUT_TILES // plan.batch))]
    tiles = random_tiles(train_on, segmenter, plan.batch, np.random.default_rng([plan.seed, 0]))
    return train_autoencoder(segmenter.network, tiles, fixed, folder, plan, bottleneck=bottleneck_of(segmenter))


def train_autoencoder(
    network: nn.Module,
    tiles: Iterator[Tensor],
    held_out: Sequence[Tensor],
    folder: Path,
    plan: AutoencoderTraining,
    *,
    bottleneck: nn.Module | None = None,
) -> ActivationAutoencoder:
    """Train on tiles; the checkpoint that is best on the held-out ones.

    Args:
        network: tiles -> logits; it is the same afterwards.
        tiles: endless batches (B, 1, *tile), normalised; of a 2-D network (B, 1, Y, X).
        held_out: fixed batches.
        bottleneck: its layer, where the network does not come in two halves.
    """
    with frozen(network):
        autoencoder = fresh_autoencoder(_shape_for(network, held_out[0], bottleneck, plan.latent), plan.seed)
        autoencoder.to(next(network.parameters()).device)
        loss_of = preservation_loss(network, autoencoder, bottleneck)

        def validate(trained: nn.Module) -> float:
            with torch.no_grad():
                return -float(np.mean([float(loss_of(trained, batch)) for batch in held_out]))

        every = max(1, plan.steps // 6)
        told = LoopPlan(plan.steps, plan.learning_rate, validate_every=every, keep_best=1)
        best = train(autoencoder, tiles, loss_of, validate, told, folder)
    load_best(autoencoder, folder, best)
    return autoencoder.cpu().eval()


def preservation_loss(
    network: nn.Module, autoencoder: ActivationAutoencoder, bottleneck: nn.Module | None = None
) -> Callable[[nn.Module, object], Tensor]:
    """The loss on a batch of tiles (B, 1, *tile): how much the logits change, and how much the bottleneck does.

    Args:
        network: frozen.
        bottleneck: its layer, where the network does not come in two halves.

    Raises:
        MissingLayer: the network has neither halves nor such a layer; from the loss, TileMismatch: the autoencoder was
            made for another bottleneck.
    """
    distorter = distorter_for(network, autoencoder, bottleneck, differentiable=True)

    def loss_of(_autoencoder: nn.Module, batch: object) -> Tensor:
        device = next(autoencoder.parameters()).device
        answers = distorter(cast(Tensor, batch).to(device))
        kept = nn.functional.huber_loss(answers.distorted.float(), answers.plain.float().detach())
        return kept + nn.functional.mse_loss(answers.reconstructed, answers.bottleneck.detach())

    return loss_of


def bottleneck_of(segmenter: Trainable) -> nn.Module | None:
    """The layer that the segmenter calls its network's bottleneck; None where it names none."""
    layers = segmenter.layers if isinstance(segmenter, NnunetSegmenter) else segmenter.keep.layers
    return layers.get(BOTTLENECK)


def random_tiles(
    images: Sequence[FloatArray], segmenter: Trainable, batch: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Endless batches (B, 1, *tile) from anywhere in the images, each a little brighter, stronger and noisier.

    A tile never reaches farther past an image than one of the sliding window would. A 2-D nnU-Net gets (B, 1, Y, X).
    """
    if isinstance(segmenter, NnunetSegmenter):
        tile, padding, flat = segmenter.tile, [0.0] * len(images), segmenter.flat  # 0 is what nnU-Net pads with
    else:
        tile, padding, flat = segmenter.grid.tile, [segmenter.grid.padding(image) for image in images], False
    while True:
        drawn = [int(i) for i in rng.integers(len(images), size=batch)]
        cut = np.stack([_changed(_cut(images[i], tile, padding[i], rng), rng) for i in drawn])
        yield torch.from_numpy(cut[:, 0] if flat else cut)[:, None]


def _cut(image: FloatArray, tile: Shape, padding: float, rng: np.random.Generator) -> FloatArray:
    into = np.full(tile, padding, dtype=np.float32)
    source, target = [], []
    for length, side in zip(image.shape, tile, strict=True):
        start = int(rng.integers(length - side + 1)) if length > side else -((side - length) // 2)
        low, high = max(start, 0), min(start + side, length)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    into[tuple(target)] = image[tuple(source)]
    return into


def _changed(tile: FloatArray, rng: np.random.Generator) -> FloatArray:
    """As mildly as images of one scanner differ, so that a few images teach what is ordinary and not themselves."""
    scale, shift = np.float32(np.exp(rng.normal(0, 0.05))), np.float32(rng.normal(0, 0.05))
    return np.asarray(tile * scale + shift + rng.normal(0, 0.02, tile.shape), dtype=np.float32)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """The network in use and without gradients of its weights; afterwards as it was."""
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    training = [module for module in network.modules() if module.training]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        for module in training:
            module.training = True


def _shape_for(network: nn.Module, batch: Tensor, bottleneck: nn.Module | None, latent: int) -> AutoencoderShape:
    one = batch[:1].to(next(network.parameters()).device)
    z, y, x = (1, *one.shape[2:]) if one.ndim == 4 else one.shape[2:]
    halves = halves_of(network)
    with torch.no_grad():
        if halves is not None:
            deep = halves.encode(one)[-1]
        else:
            with listening({} if bottleneck is None else {BOTTLENECK: bottleneck}) as heard:
                network(one)
            deep = heard.get(BOTTLENECK, one)
    return AutoencoderShape.chosen(tuple(deep.shape[1:]), (z, y, x), latent)
