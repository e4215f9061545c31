"""How the autoencoders beside a task's network are trained: one plan for training them and for telling rows apart."""

from collections.abc import Mapping
from dataclasses import asdict

from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.tasks import FolderTask
from hospital_agent.training.autoencoder import AutoencoderTraining
from hospital_agent.training.mask_autoencoder import THICK, MaskTraining

MASK_STEPS = 400  # at most, and never more than the network's own
SLICES_A_STEP, VOLUMES_A_STEP = 16, 4
DEFINITION = 1  # of both; raised when what is trained changes, so that an old one is never taken for a new one


def activation_plan(task: FolderTask, seed: int = 0) -> AutoencoderTraining:
    """Of the activation autoencoder of a seed."""
    return AutoencoderTraining(steps=task.plan.autoencoder_steps, batch=task.plan.batch, seed=seed)


def mask_plan(task: FolderTask, seed: int = 0) -> MaskTraining:
    """Of the mask autoencoder of a seed."""
    thick = task.grid.spacing_mm[0] > THICK * max(task.grid.spacing_mm[1:])
    return MaskTraining(min(MASK_STEPS, task.plan.steps), SLICES_A_STEP if thick else VOLUMES_A_STEP, seed=seed)


def companions_of(task: FolderTask) -> Mapping[str, str]:
    """Name of each autoencoder that a task trains -> what changes with how it is trained."""
    masks = {"mask_autoencoder": fingerprint_of([DEFINITION, asdict(mask_plan(task))])}
    if not task.plan.autoencoder_steps:
        return masks
    return {**masks, "activation_autoencoder": fingerprint_of([DEFINITION, asdict(activation_plan(task))])}
