"""Training an autoencoder of masks on reference masks alone: no image is looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.imaging.volume import Triple
from hospital_agent.analysis.segmentation.mask_autoencoder import (
    MaskAutoencoder,
    MaskAutoencoderShape,
    MaskNetwork,
    one_hot,
)
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid, onto_grid, place_of
from hospital_agent.training.loop import LoopPlan, load_best, train

Labels = NDArray[np.uint8]
THICK = 2.5  # slices this many times thicker than a pixel is wide are taken one by one
CELLS_FLAT, CELLS_SOLID = 64, 32  # the longest axis of the fixed grid
MULTIPLE = 16  # other axes are as many cells as needed, in multiples that can be halved often
MARGIN = 1.15  # the grid is this much longer than the largest mask
SMOOTH = 1.0  # added above and below the fraction of the soft Dice


@dataclass(frozen=True, eq=False)
class ReferenceMask:
    """A mask that a person made.

    Args:
        labels: (Z, Y, X) uint8, 0 is background.
        spacing_mm: (Z, Y, X).
        patient: of whom; all masks of a patient lie in the same part.
    """

    labels: Labels
    spacing_mm: Triple
    patient: str


@dataclass(frozen=True)
class MaskTraining:
    """How long and how.

    Args:
        steps, batch, learning_rate: of the loop.
        held_out: share of the patients that choose the checkpoint.
        shift, turn_degrees, scale: largest change of a mask: share of the grid, degrees, and factor - 1.
        seed: of everything.
    """

    steps: int = 600
    batch: int = 16
    learning_rate: float = 3e-3
    held_out: float = 0.2
    shift: float = 0.05
    turn_degrees: float = 15.0
    scale: float = 0.1
    seed: int = 0


def train_mask_autoencoder(
    masks: Sequence[ReferenceMask],
    label_count: int,
    folder: Path,
    plan: MaskTraining | None = None,
    shape: MaskAutoencoderShape | None = None,
) -> MaskAutoencoder:
    """Train on reference masks, or take up the run that lies in `folder`; the checkpoint that is best on held-out ones.

    Args:
        shape: of the network and its grid; from the masks' own sizes when None (`grid_for`).

    Raises:
        TooFewCases: masks of fewer than two patients hold anything.
        NotApplicable: a mask holds a label above `label_count`.
    """
    plan = plan or MaskTraining()
    filled = [mask for mask in masks if mask.labels.any()]
    patients = sorted({mask.patient for mask in filled})
    if len(patients) < 2:
        raise TooFewCases(
            "A mask autoencoder is trained on reference masks of at least two patients that hold something."
        )
    highest = max(int(mask.labels.max()) for mask in filled)
    if highest > label_count:
        raise NotApplicable(f"A reference mask holds label {highest}, and the task has {label_count} labels.")
    shape = shape or MaskAutoencoderShape(label_count, grid_for(filled))
    rng = np.random.default_rng(plan.seed)
    chosen = set(rng.permutation(patients)[: max(1, round(plan.held_out * len(patients)))])
    learnt = on_grid([mask for mask in filled if mask.patient not in chosen], shape)
    held_out = on_grid([mask for mask in filled if mask.patient in chosen], shape)
    torch.manual_seed(plan.seed)
    network = MaskNetwork(shape)
    batches = augmented(learnt, shape, plan, rng)
    every = max(1, plan.steps // 6)
    told = LoopPlan(plan.steps, plan.learning_rate, weight_decay=1e-5, validate_every=every, keep_best=1)
    best = train(network, batches, reconstruction_loss, lambda net: mean_dice(net, held_out), told, folder)
    load_best(network, folder, best)
    return MaskAutoencoder(network)


def grid_for(masks: Sequence[ReferenceMask]) -> MaskGrid:
    """A grid that holds the largest of the masks: slice by slice where slices are thick, as the paper has it, else 3-D.

    The published code keeps 256 x 256 pixels of the median spacing around the middle of the image. Here the box is
    around the mask, so that it can be small; its voxels are as fine as 64 cells (32 in 3-D) for its longest axis allow.
    """
    spacing = np.median([mask.spacing_mm for mask in masks], axis=0)
    flat = bool(spacing[0] > THICK * spacing[1:].max())
    extents = np.max([_extent_mm(mask) for mask in masks], axis=0) * MARGIN
    looked = slice(1, 3) if flat else slice(0, 3)
    cell = max(float(extents[looked].max()) / (CELLS_FLAT if flat else CELLS_SOLID), float(spacing[looked].min()))
    z, y, x = (MULTIPLE * max(1, int(np.ceil(extent / cell / MULTIPLE))) for extent in extents)
    if flat:
        return MaskGrid((float(spacing[0]), cell, cell), (1, y, x))
    return MaskGrid((cell, cell, cell), (z, y, x))


def _extent_mm(mask: ReferenceMask) -> NDArray[np.float64]:
    """Twice the farthest way from the median voxel to an end of the foreground, along each axis."""
    found = []
    for axis, step in enumerate(mask.spacing_mm):
        others = tuple(i for i in range(3) if i != axis)
        counts = (mask.labels > 0).sum(axis=others).cumsum()
        middle = int(np.searchsorted(counts, (counts[-1] + 1) // 2))
        there = np.flatnonzero(np.diff(counts, prepend=0))
        found.append((2 * max(middle - there[0], there[-1] - middle) + 1) * step)
    return np.array(found)


def on_grid(masks: Sequence[ReferenceMask], shape: MaskAutoencoderShape) -> Tensor:
    """(N, Z, Y, X) labels of all masks, or of all their slices, on the fixed grid."""
    found = []
    for mask in masks:
        place = place_of(mask.labels, mask.spacing_mm, shape.grid)
        if place is not None:
            found.append(onto_grid(mask.labels, place, shape.grid, shape.label_count))
    return torch.from_numpy(np.concatenate(found))


def augmented(
    masks: Tensor, shape: MaskAutoencoderShape, plan: MaskTraining, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Endless batches of one-hot masks, each a little shifted, turned and scaled: still plausible anatomy.

    Nothing is mirrored: a heart on the right is not plausible. Slices of a stack are turned in their plane alone.
    """
    while True:
        drawn = torch.from_numpy(rng.integers(len(masks), size=plan.batch))
        hot = one_hot(masks[drawn], shape.label_count)
        moves = torch.from_numpy(np.stack([_move(shape.grid, plan, rng) for _ in range(plan.batch)])).float()
        where = nn.functional.affine_grid(moves, list(hot.shape), align_corners=False)
        hot[:, 0] -= 1  # background is 0 like what lies beyond the grid, so that it comes in from outside
        moved = nn.functional.grid_sample(hot, where, align_corners=False)
        moved[:, 0] += 1
        yield one_hot(moved.max(dim=1).indices, shape.label_count)


def _move(grid: MaskGrid, plan: MaskTraining, rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 4) affine map of normalised coordinates (x, y, z), as torch wants it."""
    turns = np.radians(rng.uniform(-plan.turn_degrees, plan.turn_degrees, 3))
    shift = rng.uniform(-2 * plan.shift, 2 * plan.shift, 3)
    if grid.flat:
        turns[1:], shift[2] = 0.0, 0.0
    matrix = np.eye(3)
    for turn, (i, j) in zip(turns, ((0, 1), (0, 2), (1, 2)), strict=True):
        one = np.eye(3)
        one[[i, i, j, j], [i, j, i, j]] = np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)
        matrix = matrix @ one
    scale = 1 + rng.uniform(-plan.scale, plan.scale)
    if grid.flat:
        matrix[:2, :2] *= scale
    else:
        matrix *= scale
    half = np.array([n * step / 2 for n, step in zip(grid.shape, grid.spacing_mm, strict=True)])[::-1]
    return np.concatenate([matrix * half[None, :] / half[:, None], shift[:, None]], axis=1)


def reconstruction_loss(network: nn.Module, batch: object) -> Tensor:
    """Mean squared error over all channels, plus 1 - soft Dice of the labels, pooled over the batch.

    Source: QC autoencoder 2021, loss of R; its generalised Dice is an unweighted mean over labels in the published
    code, and here as well.
    """
    masks = cast(Tensor, batch).to(next(network.parameters()).device)
    found = torch.softmax(network(masks), dim=1)
    axes = (0, 2, 3, 4)
    overlap, sizes = (found * masks).sum(dim=axes)[1:], (found + masks).sum(dim=axes)[1:]
    loss: Tensor = nn.functional.mse_loss(found, masks) + 1 - ((2 * overlap + SMOOTH) / (sizes + SMOOTH)).mean()
    return loss


def mean_dice(network: nn.Module, masks: Tensor, at_once: int = 64) -> float:
    """Mean over labels of the Dice between masks on the fixed grid and their reconstruction, all voxels pooled."""
    count = cast(MaskNetwork, network).shape.label_count
    device = next(network.parameters()).device
    both, sizes = torch.zeros(count), torch.zeros(count)
    with torch.inference_mode():
        for some in masks.split(at_once):  # type: ignore[no-untyped-call]
            hot = one_hot(some.to(device), count)
            found = one_hot(network(hot).max(dim=1).indices, count)
            both += (hot * found).sum(dim=(0, 2, 3, 4))[1:].cpu()
            sizes += (hot + found).sum(dim=(0, 2, 3, 4))[1:].cpu()
    known = sizes > 0
    return float((2 * both[known] / sizes[known]).mean()) if bool(known.any()) else 1.0
