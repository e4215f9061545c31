"""The networks of a training run: one on phantoms, one for each left-out patient, and the one that is shipped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.simulation.hosts import Host, phantom_host
from hospital_agent.training.loop import Checkpoint, LoopPlan, load_best, train
from hospital_agent.training.pool import PoolItem, make_pool
from hospital_agent.training.recipe import Recipe
from hospital_agent.training.segmenter import PatchValidation, random_patches, segmentation_loss

FIRST_HELD_OUT_PHANTOM = 1000
FIRST_SCORED_PHANTOM = 2000
VALIDATION_TILES = 24
TILE_RATE = 5e-4


class Pools:
    """The simulated patients of a run, split by what they are for; hosts keep their patient's name."""

    def __init__(self, recipe: Recipe, hosts: Sequence[Host], folder: Path) -> None:
        phantoms = [phantom_host(seed) for seed in range(recipe.phantoms)]
        unseen = [
            phantom_host(seed)
            for seed in range(FIRST_HELD_OUT_PHANTOM, FIRST_HELD_OUT_PHANTOM + recipe.held_out_phantoms)
        ]
        copies = recipe.host_copies + recipe.held_out
        real = make_pool(hosts, copies, recipe.grid, recipe.seed, folder)
        self.phantoms = make_pool(phantoms, 1, recipe.grid, recipe.seed, folder)
        self.held_out_phantoms = make_pool(unseen, 1, recipe.grid, recipe.seed, folder)
        self.real = [item for i, item in enumerate(real) if i % copies < recipe.host_copies]
        self.held_out_real = [item for i, item in enumerate(real) if i % copies >= recipe.host_copies]
        self.copies = recipe.host_copies


def without(items: Sequence[PoolItem], patient: str | None) -> list[PoolItem]:
    """All items but those of one patient."""
    return [item for item in items if item.patient != patient]


def train_network(
    recipe: Recipe, pools: Pools, folder: Path, steps: int, *, real: bool, leave_out: str | None, start: UNet | None
) -> tuple[UNet, list[Checkpoint]]:
    """Train one network, or take up the run that lies in `folder`.

    Args:
        real: whether real hosts take part besides phantoms.
        leave_out: a patient of whom nothing is seen.
        start: weights to start from.

    Returns:
        The network with its best checkpoint's weights, and the best checkpoints.
    """
    torch.manual_seed(recipe.seed)
    network = UNet(recipe.network)
    if start is not None:
        network.load_state_dict(start.state_dict())
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    seen = without(pools.real, leave_out) if real else []
    held = without(pools.held_out_real, leave_out) if real else []
    held = [*held, *pools.held_out_phantoms]
    weights = _weights(seen, len(pools.phantoms), recipe.real_share)

    def stage(where: Path, patch: Shape, batch: int, plan: LoopPlan) -> list[Checkpoint]:
        """Train on patches of one size, and put the best checkpoint into the network."""
        rng = np.random.default_rng(recipe.seed)
        batches = random_patches([*seen, *pools.phantoms], recipe.grid, patch, batch, rng, weights)
        validation = PatchValidation(held, recipe.grid, patch, VALIDATION_TILES, recipe.seed + 1)
        best = train(network, batches, segmentation_loss, validation, plan, where)
        load_best(network, where, best)
        return best

    every = recipe.validate_every
    best = stage(folder, recipe.patch, recipe.batch, LoopPlan(steps, validate_every=every))
    if real:
        plan = LoopPlan(recipe.tile_steps, learning_rate=TILE_RATE, validate_every=recipe.tile_steps // 2)
        best = stage(folder / "whole-tiles", recipe.grid.tile, 1, plan)
    return network.eval(), best


def _weights(seen: Sequence[PoolItem], phantom_count: int, real_share: float) -> list[float]:
    """Every patient weighs the same, however many volumes show them; phantoms share the rest."""
    patients = sorted({item.patient for item in seen})
    counts = {patient: sum(item.patient == patient for item in seen) for patient in patients}
    share = real_share if patients else 0.0
    real = [share / len(patients) / counts[item.patient] for item in seen]
    return real + [(1.0 - share) / phantom_count] * phantom_count
