"""What training looked like to a network: the fitted feature-space scores."""

from collections.abc import Sequence

import numpy as np

from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.segmentation.bundled import infer
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.training.networks import Pools, without
from hospital_agent.training.pool import PoolItem
from hospital_agent.training.recipe import Recipe


def reference_items(recipe: Recipe, pools: Pools, leave_out: str | None) -> list[PoolItem]:
    """The training cases that the reference is fitted on: the first copies of every real volume, and phantoms."""
    first = [item for i, item in enumerate(pools.real) if i % pools.copies < recipe.reference_copies]
    return without(first, leave_out) + pools.phantoms[: recipe.reference_phantoms]


def fit_reference(recipe: Recipe, network: UNet, items: Sequence[PoolItem]) -> dict[str, OodScore]:
    """Fit the feature-space scores on full inference over training cases (not on random crops)."""
    from tqdm import tqdm

    device = next(network.parameters()).device
    rows, patients = [], []
    for item in tqdm(items, desc="features of training cases", unit="case", mininterval=5):
        _, patches = infer(network, recipe.grid, item.image_hu.astype(np.float32), device)
        rows.append(patches.features)
        patients += [item.patient] * len(patches.features)
    return {"mahalanobis": Mahalanobis.fit(np.concatenate(rows), patients)}
