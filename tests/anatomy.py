"""Masks that look like hearts in short axis: a ball in a ring and a crescent beside it, slice by slice."""

import numpy as np
from numpy.typing import NDArray

from hospital_agent.training.mask_autoencoder import ReferenceMask

SPACING = (8.0, 2.0, 2.0)


def heart(seed: int, shape: tuple[int, int, int] = (4, 40, 40)) -> NDArray[np.uint8]:
    """Labels 1 the ball, 2 the ring around it, 3 the crescent; place and size differ."""
    rng = np.random.default_rng([seed, 5])
    labels = np.zeros(shape, dtype=np.uint8)
    y, x = np.indices(shape[1:])
    cy, cx, inner = rng.uniform(17, 23), rng.uniform(20, 26), rng.uniform(3.5, 5.0)
    for z in range(shape[0]):
        radius = inner * (1 - 0.12 * z)
        away, aside = np.hypot(y - cy, x - cx), np.hypot(y - cy, x - cx + radius + 4)
        labels[z][aside < radius + 2.5] = 3
        labels[z][away < radius + 2.5] = 2
        labels[z][away < radius] = 1
    return labels


def hearts(count: int, first: int = 0) -> list[ReferenceMask]:
    """Of one patient each."""
    return [ReferenceMask(heart(seed), SPACING, f"p{seed}") for seed in range(first, first + count)]
