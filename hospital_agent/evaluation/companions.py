"""How what stands beside a task's network is trained: one plan for training it and for telling rows apart."""

from collections.abc import Mapping
from dataclasses import asdict

from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.tasks import FolderTask
from hospital_agent.training.autoencoder import AutoencoderTraining
from hospital_agent.training.lee_gan import LATENT, WIDTHS, LeeTraining
from hospital_agent.training.mask_autoencoder import THICK, MaskTraining
from hospital_agent.training.outlier_exposure import ExposureTraining

MASK_STEPS = 400  # at most, and never more than the network's own
SLICES_A_STEP, VOLUMES_A_STEP = 16, 4
DOUBTING_DEFINITION = 1  # of the networks trained for doubting, in the same sense
MOST_OUTLIERS = 12  # images of each folder
DEFINITION = (
    1  # of both autoencoders; raised when what is trained changes, so that an old one is never taken for a new one
)


def activation_plan(task: FolderTask, seed: int = 0) -> AutoencoderTraining:
    """Of the activation autoencoder of a seed."""
    return AutoencoderTraining(steps=task.plan.autoencoder_steps, batch=task.plan.batch, seed=seed)


def mask_plan(task: FolderTask, seed: int = 0) -> MaskTraining:
    """Of the mask autoencoder of a seed."""
    thick = task.grid.spacing_mm[0] > THICK * max(task.grid.spacing_mm[1:])
    return MaskTraining(min(MASK_STEPS, task.plan.steps), SLICES_A_STEP if thick else VOLUMES_A_STEP, seed=seed)


def exposure_plan(task: FolderTask) -> ExposureTraining:
    """Of outlier exposure; half the learning rate of the network from whose weights it starts."""
    return ExposureTraining(task.plan.companion_steps, task.plan.learning_rate / 2)


def lee_plan(task: FolderTask, seed: int = 0) -> LeeTraining:
    """Of Lee's GAN training of a seed; the same learning rate as outlier exposure."""
    return LeeTraining(task.plan.companion_steps, task.plan.learning_rate / 2, seed=seed)


def made_by_exposure(task: FolderTask) -> str:
    """What changes with how outlier exposure is trained, the images aside."""
    return fingerprint_of([DOUBTING_DEFINITION, asdict(exposure_plan(task)), list(task.outliers), MOST_OUTLIERS])


def made_by_lee(task: FolderTask, seed: int = 0) -> str:
    """What changes with how Lee's GAN is trained."""
    return fingerprint_of([DOUBTING_DEFINITION, asdict(lee_plan(task, seed)), LATENT, list(WIDTHS)])


def companions_of(task: FolderTask) -> Mapping[str, str]:
    """Name of each autoencoder or network that a task trains beside -> what changes with how it is trained."""
    found = {"mask_autoencoder": fingerprint_of([DEFINITION, asdict(mask_plan(task))])}
    if task.plan.autoencoder_steps:
        found["activation_autoencoder"] = fingerprint_of([DEFINITION, asdict(activation_plan(task))])
    if task.plan.companion_steps:
        found["lee_gan"] = made_by_lee(task)
    if task.plan.companion_steps and task.outliers:
        found["outlier_exposure"] = made_by_exposure(task)
    return found
