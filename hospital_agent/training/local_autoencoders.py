"""What one site trains of an autoencoder between two averages, and how it judges one: the losses of their trainers.

Both begin at weights that all sites have. No image is looked at for masks, and no mask for activations.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskNetwork
from hospital_agent.training.autoencoder import (
    AutoencoderTraining,
    Trainable,
    bottleneck_of,
    preservation_loss,
    random_tiles,
)
from hospital_agent.training.local_training import LocalPlan, LocalTrainer
from hospital_agent.training.mask_autoencoder import (
    MaskTraining,
    ReferenceMask,
    augmented,
    mean_dice,
    on_grid,
    reconstruction_loss,
)

JUDGED_TILES = 4  # batches of each image that judges
JUDGING = 1  # tells the random numbers of judging from those of the rounds, which have two seeds and not three


def mask_trainer(
    network: MaskNetwork, learnt: Sequence[ReferenceMask], held_out: Sequence[ReferenceMask], plan: LocalPlan, seed: int
) -> LocalTrainer:
    """Training of a mask autoencoder on reference masks, moved a little as `train_mask_autoencoder` moves them."""
    told, shape = MaskTraining(), network.shape
    grids = on_grid(learnt, shape)

    def batches(number: int) -> Iterator[object]:
        return augmented(grids, shape, told, np.random.default_rng([seed, number]))

    def judge(judged: nn.Module) -> list[float | None]:
        return [mean_dice(judged, masks) for masks in fixed]

    fixed = [on_grid([mask], shape) for mask in held_out]
    return LocalTrainer(
        network, batches, reconstruction_loss, judge, plan, cases=len(learnt),
        patients=len({mask.patient for mask in learnt}), judged_cases=len(held_out),
    )  # fmt: skip


def mask_dice(network: MaskNetwork, masks: Sequence[ReferenceMask]) -> list[float]:
    """Dice of each mask and its reconstruction on the fixed grid, mean over labels."""
    network.eval()
    return [mean_dice(network, on_grid([mask], network.shape)) for mask in masks]


def distortion_trainer(
    segmenter: Trainable, autoencoder: ActivationAutoencoder, learnt: Sequence[FloatArray],
    held_out: Sequence[FloatArray], plan: LocalPlan, seed: int, patients: int,
) -> LocalTrainer:  # fmt: skip
    """Training of the activation autoencoder of a network that stays as it is; `segmenter` is this training's own.

    Args:
        learnt, held_out: images from the segmenter's `working_image`.
        patients: of whom the images to learn from are.
    """
    segmenter.network.eval().requires_grad_(False)
    autoencoder.to(segmenter.device)
    loss_of = preservation_loss(segmenter.network, autoencoder, bottleneck_of(segmenter))
    batch = AutoencoderTraining.batch

    def batches(number: int) -> Iterator[object]:
        return random_tiles(learnt, segmenter, batch, np.random.default_rng([seed, number]))

    def judge(_autoencoder: nn.Module) -> list[float | None]:
        return [*preserved(segmenter, autoencoder, held_out)]

    return LocalTrainer(
        autoencoder, batches, loss_of, judge, plan, cases=len(learnt), patients=patients, judged_cases=len(held_out)
    )


def preserved(segmenter: Trainable, autoencoder: ActivationAutoencoder, images: Sequence[FloatArray]) -> list[float]:
    """How much of each image's bottleneck and logits an autoencoder leaves as they are, in (0, 1]; 1 is everything.

    1 / (1 + loss), with the loss by which `train_for` chooses a checkpoint, on tiles that are the same every time.
    """
    autoencoder.eval().to(segmenter.device)
    segmenter.network.eval()
    loss_of = preservation_loss(segmenter.network, autoencoder, bottleneck_of(segmenter))
    found = []
    with torch.no_grad():
        for number, image in enumerate(images):
            tiles = random_tiles(
                [image], segmenter, AutoencoderTraining.batch, np.random.default_rng([0, number, JUDGING])
            )
            losses = [float(loss_of(autoencoder, next(tiles))) for _ in range(JUDGED_TILES)]
            found.append(1.0 / (1.0 + float(np.mean(losses))))
    return found
