"""Mixup: every image of a batch is mixed with another, and the loss with it.

Source:
    Zhang et al. 2017 (arXiv 1710.09412), eq. 2; the losses of the two references are mixed instead of the references,
    which is the same for cross-entropy. Karimi and Gholipour 2022, III-E, use it as a baseline.
"""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.training.segmenter import Batch, loss_of_logits

ALPHA = 0.2


def mixup_loss(rng: np.random.Generator, alpha: float = ALPHA) -> Callable[[nn.Module, object], Tensor]:
    """A segmentation loss on mixed images, for the loop of all trainers.

    Each step draws one share lambda ~ Beta(alpha, alpha) and one order of the batch: x = lambda x_i + (1 - lambda) x_j,
    loss = lambda loss(x, y_i) + (1 - lambda) loss(x, y_j).

    Args:
        alpha: > 0; the smaller, the more one of the two prevails.

    Raises:
        ValueError: alpha is not above 0.
    """
    if alpha <= 0:
        raise ValueError("Mixup needs an alpha above 0.")

    def loss_of(network: nn.Module, batch: object) -> Tensor:
        images, labels = cast(Batch, batch)
        share, order = float(rng.beta(alpha, alpha)), torch.from_numpy(rng.permutation(len(images)))
        return mixed_loss(network, (images, labels), share, order)

    return loss_of


def mixed_loss(network: nn.Module, batch: Batch, share: float, order: Tensor) -> Tensor:
    """The loss of one mix: `share` of each image, the rest of the one that stands at its place in `order`."""
    device = next(network.parameters()).device
    images, labels = (part.to(device) for part in batch)
    order = order.to(device)
    logits = network(share * images + (1 - share) * images[order])
    return share * loss_of_logits(logits, labels) + (1 - share) * loss_of_logits(logits, labels[order])
