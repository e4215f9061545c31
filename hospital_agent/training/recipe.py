"""How the shipped model is made: every number that decides it, in one place."""

from dataclasses import dataclass, field

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.bundled import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape

MODEL_NAME = "lung-lesions"
MODEL_VERSION = "1.0.0"


@dataclass(frozen=True)
class Recipe:
    """The plan of one training run.

    Args:
        network, grid: what is trained, and on which grid.
        patch: voxels of a training patch; smaller than the tile used later, because it is cheaper.
        batch: patches a step.
        tile_steps: steps on whole tiles at the end, one a step. Instance norm sees other contexts in a whole tile
            than in a patch; without these steps a chest that fits into one tile is segmented almost whole.
        phantom_steps: steps on phantoms alone, which every later network starts from; no patient is in them, so it
            leaks nothing between folds.
        fold_steps, final_steps: steps of each leave-one-patient-out network, and of the shipped one.
        phantoms, host_copies: simulated patients in the pool: analytic, and of each real volume.
        held_out, held_out_phantoms: further ones of each kind, for choosing checkpoints.
        reference_copies: of each real volume, for the reference of the feature-space scores.
        scored_copies, scored_phantoms: of each left-out volume, and phantoms a fold, for the quality model.
        seed: of everything.
    """

    network: UNetShape = field(default_factory=UNetShape)
    grid: WorkingGrid = field(default_factory=WorkingGrid)
    patch: Shape = (48, 48, 48)
    batch: int = 2
    tile_steps: int = 100
    phantom_steps: int = 700
    fold_steps: int = 400
    final_steps: int = 500
    validate_every: int = 100
    phantoms: int = 100
    host_copies: int = 16
    held_out: int = 3
    held_out_phantoms: int = 16
    reference_copies: int = 5
    reference_phantoms: int = 40
    scored_copies: int = 12
    scored_phantoms: int = 24
    real_share: float = 0.65
    seed: int = 0


QUICK = Recipe(
    network=UNetShape(channels=(4, 8, 8)),
    grid=WorkingGrid(tile=(32, 32, 32)),
    patch=(32, 32, 32),
    phantom_steps=4,
    fold_steps=2,
    tile_steps=2,
    final_steps=4,
    validate_every=2,
    phantoms=3,
    host_copies=2,
    held_out=1,
    held_out_phantoms=2,
    reference_copies=1,
    reference_phantoms=3,
    scored_copies=6,
    scored_phantoms=8,
)
"""Ends in a minute and makes a model that is good for nothing: for trying the way, never for shipping."""
