"""Outlier exposure: a segmenter that is taught to be sure on its own images and to know nothing on foreign ones.

Source:
    Hendrycks, Mazeika and Dietterich 2018: the own loss plus 0.5 times the mean cross-entropy of the softmax to the
    uniform distribution on outliers. Karimi and Gholipour 2022, III-D (d), compare with it in segmentation. Differs:
    every voxel of an outlier is to be uniform; a trained network is fine-tuned for some steps, which Hendrycks et al.
    report to work as well, where Karimi and Gholipour train from scratch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.training.loop import LoopPlan, load_best, train
from hospital_agent.training.segmenter import Batch, segmentation_loss

Exposed = tuple[Batch, Tensor]
WEIGHT = 0.5  # of the outliers' term; Hendrycks et al. 2018


@dataclass(frozen=True)
class ExposureTraining:
    """How long and how.

    Args:
        steps, learning_rate: of the loop.
        weight: of the outliers' term.
    """

    steps: int
    learning_rate: float
    weight: float = WEIGHT


def expose(
    network: nn.Module,
    batches: Iterator[Exposed],
    held_out: Sequence[Exposed],
    folder: Path,
    plan: ExposureTraining,
) -> None:
    """Fine-tune a trained network in place, or take up the run that lies in `folder`.

    The checkpoint of the lowest loss on `held_out` is taken. Dice alone would choose the one that was exposed least.

    Args:
        batches: endless pairs of a batch of own tiles with labels, and of (B, 1, *patch) tiles of outliers.
        held_out: fixed such pairs.

    Raises:
        TrainingDiverged: the loss is not finite.
    """

    def loss_of(trained: nn.Module, batch: object) -> Tensor:
        return exposure_loss(trained, cast(Exposed, batch), plan.weight)

    def validate(trained: nn.Module) -> float:
        with torch.inference_mode():
            return -float(np.mean([float(loss_of(trained, pair)) for pair in held_out]))

    told = LoopPlan(plan.steps, plan.learning_rate, validate_every=max(1, plan.steps // 5), keep_best=1)
    best = train(network, batches, loss_of, validate, told, folder)
    load_best(network, folder, best)


def exposure_loss(network: nn.Module, batch: Exposed, weight: float = WEIGHT) -> Tensor:
    """The segmentation loss of the own tiles, plus `weight` times how far from uniform the outliers' softmax is."""
    own, outliers = batch
    device = next(network.parameters()).device
    return segmentation_loss(network, own) + weight * cross_entropy_to_uniform(network(outliers.to(device)))


def cross_entropy_to_uniform(logits: Tensor) -> Tensor:
    """H(u, p) = -(1/C) sum over classes of ln p, mean over voxels, in nats; ln C where p is uniform, its least.

    Args:
        logits: (B, C, *patch).
    """
    return -torch.log_softmax(logits.float(), dim=1).mean()
