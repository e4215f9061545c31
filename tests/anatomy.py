"""Masks that look like hearts in short axis, images of them, and a small network that segments these."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder, MaskAutoencoderShape
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.training.mask_autoencoder import MaskTraining, ReferenceMask, train_mask_autoencoder
from hospital_agent.training.refinement_cases import RefinementCase
from hospital_agent.training.refinement_tiles import on_working_grid, tiles_of
from hospital_agent.training.segmenter import segmentation_loss

SPACING = (8.0, 2.0, 2.0)
GRID = WorkingGrid(SPACING, (1, 40, 40), scheme="standardised")
BRIGHT = np.array([0.0, 3.0, 1.5, 4.5])


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


def case(seed: int, *, artefact: bool = False, annotated: bool = False) -> RefinementCase:
    """A heart in a noisy image; an artefact as bright as its ball in a corner."""
    labels, rng = heart(seed), np.random.default_rng([seed, 8])
    image = BRIGHT[labels] + rng.normal(0, 0.3, labels.shape)
    if artefact:
        image[:, 1:6, 1:6] = BRIGHT[1]
    volume = Volume(image.astype(np.float32), SPACING, modality="MR")
    return RefinementCase(f"c{seed}", f"p{seed}", volume, labels if annotated else None)


@cache
def heart_autoencoder() -> MaskAutoencoder:
    """Of hearts alone; trained once for all tests, which leave it as it is."""
    shape = MaskAutoencoderShape(3, MaskGrid(SPACING, (1, 32, 32)), channels=(8, 16, 16), latent=8)
    plan = MaskTraining(steps=160, batch=8, learning_rate=1e-2)
    with TemporaryDirectory() as folder:
        return train_mask_autoencoder(hearts(24), 3, Path(folder), plan, shape)


@cache
def heart_network() -> UNet:
    """A network that segments plain hearts well, and takes an artefact for a piece of one.

    Trained once for all tests, which leave it as it is.
    """
    torch.manual_seed(0)
    network = UNet(UNetShape(channels=(8, 16, 16), classes=4, dropout=0.0, depth_kernel=1, depth_stride=1))
    items = [on_working_grid(case(seed).volume, heart(seed), GRID, 4) for seed in range(12)]
    rng, optimiser = np.random.default_rng(0), torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        drawn = [items[int(number)] for number in rng.integers(len(items), size=4)]
        optimiser.zero_grad()
        segmentation_loss(network, tiles_of(drawn, GRID, (1, 40, 40), rng, torch.device("cpu"))).backward()
        optimiser.step()
    return network
