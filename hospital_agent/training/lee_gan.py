"""Lee's joint training: a segmenter that knows nothing on images which a generator draws near its own.

Three parts learn in one loop with one optimiser. The generator draws tiles that a discriminator takes for real ones
and on which the segmenter knows nothing: images at the border of what is known. The segmenter learns its task, and to
answer with the uniform distribution there. No foreign image is needed.

Source:
    Lee, Lee, Lee and Shin 2017, "Training confidence-calibrated classifiers for detecting out-of-distribution
    samples"; "Lee-2017" of Karimi and Gholipour 2022, III-D (e). Differs: one step updates all three parts from the
    same state instead of one after the other, and their gradients are clipped together; the generator's adversarial
    term is the non-saturating one, -ln D(G(z)); the segmenter starts from trained weights and is fine-tuned for some
    steps, because of the price; generator and discriminator are small, and draw tiles; beta is not tuned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, prod
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.training.loop import LoopPlan, load_best, train
from hospital_agent.training.outlier_exposure import cross_entropy_to_uniform
from hospital_agent.training.segmenter import Batch, segmentation_loss

Drawn = tuple[Tensor, Tensor, Tensor]
LATENT = 32
WIDTHS = (8, 16, 32)  # features from the full grid down
SMALLEST = 4  # an axis shorter than twice this is not halved
BETA = 1.0  # of both terms that ask for ignorance


@dataclass(frozen=True)
class LeeTraining:
    """How long and how.

    Args:
        steps, learning_rate: of the loop.
        beta: weight of KL(u || p) in the losses of segmenter and generator.
        seed: of the weights of generator and discriminator; the batches bring their own draws.
    """

    steps: int
    learning_rate: float
    beta: float = BETA
    seed: int = 0


class Generator(nn.Module):
    """(B, LATENT) normal numbers in, (B, 1, *patch) normalised intensities out; 2-D where the patch is one slice."""

    def __init__(self, patch: Shape) -> None:
        super().__init__()
        strides, self.start = _halvings(patch)
        kernel, padding = _kernel(patch)
        self.first = nn.Linear(LATENT, WIDTHS[-1] * prod(self.start))
        layers: list[nn.Module] = []
        for inputs, outputs, stride in zip(
            reversed(WIDTHS), reversed((WIDTHS[0], *WIDTHS[:-1])), reversed(strides), strict=True
        ):
            layers += [
                nn.Upsample(scale_factor=tuple(map(float, stride))),
                nn.Conv3d(inputs, outputs, kernel, padding=padding),
                nn.LeakyReLU(0.2),
            ]
        self.rest = nn.Sequential(*layers, nn.Conv3d(WIDTHS[0], 1, kernel, padding=padding))

    def forward(self, latent: Tensor) -> Tensor:
        tiles: Tensor = self.rest(self.first(latent).reshape(len(latent), WIDTHS[-1], *self.start))
        return tiles


class Discriminator(nn.Module):
    """(B, 1, *patch) in, (B,) logits out: high for a real tile."""

    def __init__(self, patch: Shape) -> None:
        super().__init__()
        strides, _ = _halvings(patch)
        kernel, padding = _kernel(patch)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in zip((1, *WIDTHS[:-1]), WIDTHS, strides, strict=True):
            layers += [nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=padding), nn.LeakyReLU(0.2)]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(WIDTHS[-1], 1)

    def forward(self, tiles: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(tiles).mean(dim=(2, 3, 4)))[:, 0]
        return logits


class LeeGan(nn.Module):
    """The three parts as one module, so that the loop's one optimiser knows all of their weights."""

    def __init__(self, segmenter: nn.Module, patch: Shape) -> None:
        super().__init__()
        self.segmenter, self.generator, self.discriminator = segmenter, Generator(patch), Discriminator(patch)


def train_lee(
    segmenter: nn.Module,
    patch: Shape,
    batches: Iterator[Batch],
    held_out: Sequence[Batch],
    folder: Path,
    plan: LeeTraining,
) -> None:
    """Fine-tune a trained segmenter in place beside a fresh GAN, or take up the run that lies in `folder`.

    The checkpoint with the segmenter's lowest loss is taken, on `held_out` and on what its generator then draws.

    Args:
        batches: endless own tiles (B, 1, *patch) with labels.
        held_out: fixed such batches.

    Raises:
        TrainingDiverged: the loss is not finite.
    """
    torch.manual_seed(plan.seed)
    made = LeeGan(segmenter, patch).to(next(segmenter.parameters()).device)
    fixed = list(with_latents(iter(held_out), np.random.default_rng([plan.seed, 1])))

    def validate(_: nn.Module) -> float:
        with torch.inference_mode():
            return -float(
                np.mean([float(segmenter_loss(made, *_on_device(made, batch), plan.beta)) for batch in fixed])
            )

    told = LoopPlan(plan.steps, plan.learning_rate, validate_every=max(1, plan.steps // 5), keep_best=1)
    drawn = with_latents(batches, np.random.default_rng([plan.seed, 0]))
    best = train(made, drawn, lambda _, batch: joint_loss(made, cast(Drawn, batch), plan.beta), validate, told, folder)
    load_best(made, folder, best)


def with_latents(batches: Iterator[Batch], rng: np.random.Generator) -> Iterator[Drawn]:
    """Every batch with as many draws for the generator as it has tiles."""
    for images, labels in batches:
        yield images, labels, torch.from_numpy(rng.standard_normal((len(images), LATENT)).astype(np.float32))


def joint_loss(made: LeeGan, batch: Drawn, beta: float = BETA) -> Tensor:
    """The sum of three losses, whose gradient with respect to each part is exactly that part's own loss's gradient.

    Segmenter and discriminator see drawn tiles as constants; the generator sees their weights as constants.
    """
    images, labels, latent = _on_device(made, batch)
    return (
        segmenter_loss(made, images, labels, latent, beta)
        + discriminator_loss(made, images, latent)
        + generator_loss(made, latent, beta)
    )


def segmenter_loss(made: LeeGan, images: Tensor, labels: Tensor, latent: Tensor, beta: float) -> Tensor:
    """The segmentation loss, plus beta KL(u || p) on drawn tiles."""
    own = segmentation_loss(made.segmenter, (images, labels))
    return own + beta * kl_from_uniform(made.segmenter(made.generator(latent).detach()))


def discriminator_loss(made: LeeGan, images: Tensor, latent: Tensor) -> Tensor:
    """Binary cross-entropy: own tiles are real, drawn ones are not."""
    real, drawn = made.discriminator(images), made.discriminator(made.generator(latent).detach())
    return _cross_entropy(real, 1.0) + _cross_entropy(drawn, 0.0)


def generator_loss(made: LeeGan, latent: Tensor, beta: float) -> Tensor:
    """-ln D(G(z)) + beta KL(u || p(G(z))); no gradient reaches the weights of segmenter or discriminator."""
    drawn = made.generator(latent)
    judged, segmented = _as_constant(made.discriminator, drawn), _as_constant(made.segmenter, drawn)
    return _cross_entropy(judged, 1.0) + beta * kl_from_uniform(segmented)


def kl_from_uniform(logits: Tensor) -> Tensor:
    """KL(u || p) = H(u, p) - ln C, mean over voxels, in nats; 0 where p is uniform."""
    return cross_entropy_to_uniform(logits) - log(logits.shape[1])


def _as_constant(part: nn.Module, tiles: Tensor) -> Tensor:
    weights = {name: parameter.detach() for name, parameter in part.named_parameters()}
    found: Tensor = functional_call(part, weights, (tiles,))
    return found


def _cross_entropy(logits: Tensor, real: float) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, real))


def _on_device(made: LeeGan, batch: Drawn) -> Drawn:
    device = next(made.parameters()).device
    images, labels, latent = (part.to(device) for part in batch)
    return images, labels, latent


def _halvings(patch: Shape) -> tuple[list[tuple[int, int, int]], Shape]:
    """Stride of each level, and the size that is left; an axis that is odd or short is kept."""
    z, y, x = patch
    strides = []
    for _ in WIDTHS:
        a, b, c = (2 if side % 2 == 0 and side >= 2 * SMALLEST else 1 for side in (z, y, x))
        strides.append((a, b, c))
        z, y, x = z // a, y // b, x // c
    return strides, (z, y, x)


def _kernel(patch: Shape) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Of every convolution, and its padding; across slices only where there are several."""
    return ((1, 3, 3), (0, 1, 1)) if patch[0] == 1 else ((3, 3, 3), (1, 1, 1))
