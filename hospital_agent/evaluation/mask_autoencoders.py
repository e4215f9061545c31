"""The mask autoencoder of a seed: trained on its training references alone, and kept beside its networks."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder, ReconstructingSegmenter
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.companions import DEFINITION, mask_plan
from hospital_agent.evaluation.tasks import Example, FolderTask
from hospital_agent.mask_autoencoder_files import DESCRIPTION, load_mask_autoencoder, save_mask_autoencoder
from hospital_agent.training.mask_autoencoder import ReferenceMask, train_mask_autoencoder


def with_reconstruction(
    segmenter: Segmenter, task: FolderTask, train_on: Sequence[Example], folder: Path, seed: int
) -> Segmenter:
    """A segmenter whose masks are compared with what the seed's mask autoencoder makes of them.

    Args:
        train_on: the training images of the seed; no other reference is looked at.
        folder: of the networks of a run; the autoencoder lies there, or is trained into it.

    Returns:
        The segmenter as it was where there are too few references to train on.
    """
    try:
        return ReconstructingSegmenter(segmenter, trained_mask_autoencoder(task, train_on, folder, seed))
    except (TooFewCases, NotApplicable):
        return segmenter


def trained_mask_autoencoder(task: FolderTask, train_on: Sequence[Example], folder: Path, seed: int) -> MaskAutoencoder:
    """The autoencoder of one seed, from the folder or freshly trained into it; its name follows from what it is of.

    Raises:
        TooFewCases: fewer than two patients have a reference that holds something.
    """
    plan = mask_plan(task, seed)
    made_of = [DEFINITION, asdict(plan), len(task.label_names), sorted(example.name for example in train_on)]
    place = folder / f"mask-autoencoder-seed{seed}-{fingerprint_of(made_of)}"
    if not (place / DESCRIPTION).exists():  # written last
        masks = []
        for example in train_on:
            volume, labels = example.content
            masks.append(ReferenceMask(labels, volume.spacing_mm, example.patient))
        trained = train_mask_autoencoder(masks, len(task.label_names), place / "training", plan)
        save_mask_autoencoder(place, trained, masks=len(masks), seed=seed)
        for checkpoint in (place / "training").glob("*.pt"):
            checkpoint.unlink()
    return load_mask_autoencoder(place)
