"""The mask autoencoder of a model from elsewhere: trained on the reference masks that the fit is given."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.errors import InputRefused
from hospital_agent.fitting import Input, Say
from hospital_agent.ingest.series import read_series

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
    from hospital_agent.training.mask_autoencoder import MaskTraining


def fit_mask_autoencoder(
    inputs: Sequence[Input], modality: Modality, plan: "MaskTraining", say: Say
) -> "MaskAutoencoder":
    """Train on the references; a fifth of their patients chooses the checkpoint. No image is looked at.

    The scale of its scores then comes from people whose references it has seen: a new patient lies a little farther.

    Raises:
        TooFewCases: fewer than two patients have a reference that holds something.
    """
    from hospital_agent.training.mask_autoencoder import ReferenceMask, train_mask_autoencoder

    masks = []
    for one in inputs:
        if one.reference is None:
            continue
        try:
            series = read_series(one.path, modality)
            labels = series.read_labels(one.reference)
        except InputRefused:
            continue  # said, with its reason, when the model runs over the images
        masks.append(ReferenceMask(labels, series.volume.spacing_mm, one.patient))
    if not any(mask.labels.any() for mask in masks):
        raise TooFewCases("A mask autoencoder is trained on reference masks: give them with --references.")
    say(f"training a mask autoencoder on {len(masks)} reference masks")
    with TemporaryDirectory() as folder:
        return train_mask_autoencoder(masks, max(int(mask.labels.max()) for mask in masks), Path(folder), plan)
