"""The mask autoencoder of a model from elsewhere: trained on the reference masks that the fit is given."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.imaging.task_labels import task_labels
from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.analysis.quality.label_fences import Grouping, MaskFences, mask_fences
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.errors import InputRefused
from hospital_agent.fitting import Say, Seen
from hospital_agent.fitting_inputs import Input
from hospital_agent.ingest.series import read_series

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
    from hospital_agent.training.mask_autoencoder import MaskTraining


def fit_mask_autoencoder(
    segmenter: Segmenter, inputs: Sequence[Input], modality: Modality, plan: "MaskTraining", say: Say
) -> "MaskAutoencoder":
    """Train on the references; a fifth of their patients chooses the checkpoint. No image is looked at.

    The scale of its scores then comes from people whose references it has seen: a new patient lies a little farther.

    Args:
        segmenter: whose labels the autoencoder gets to know; a reference that holds others is refused, and with one
            label whatever a reference marks is that label.

    Raises:
        UnknownLabel: a reference holds a label that the model does not know.
        NotApplicable: nobody can say how many labels the model knows.
        TooFewCases: fewer than two patients have a reference that holds something.
    """
    from hospital_agent.training.mask_autoencoder import ReferenceMask, train_mask_autoencoder

    count, masks = label_count_of(segmenter), []
    for one in inputs:
        if one.reference is None:
            continue
        try:
            series = read_series(one.path, modality)
            labels = series.read_labels(one.reference)
        except InputRefused:
            continue  # said, with its reason, when the model runs over the images
        masks.append(ReferenceMask(task_labels(labels, count), series.volume.spacing_mm, one.patient))
    if not any(mask.labels.any() for mask in masks):
        raise TooFewCases("A mask autoencoder is trained on reference masks: give them with --references.")
    say(f"training a mask autoencoder on {len(masks)} reference masks")
    with TemporaryDirectory() as folder:
        return train_mask_autoencoder(masks, count, Path(folder), plan)


def fences_of_seen(seen: Sequence[Seen], label_count: int, by: Grouping, say: Say) -> MaskFences | None:
    """From when on a mask of the model is unusual, from those that it made of the images; None with too few, and said.

    The autoencoder has seen the references of these patients, so that their masks come back a little better than those
    of others: the fences are somewhat tight.
    """
    from hospital_agent.analysis.segmentation.selected import case_measures

    shown = [one for one in seen if one.shown.reconstructed is not None]
    try:
        return mask_fences([case_measures(one.shown, label_count, one.slices) for one in shown], by)
    except TooFewCases as problem:
        say(f"nothing says from when on a mask is unusual: {problem}")
        return None


def label_count_of(segmenter: Segmenter) -> int:
    """How many labels a model knows, background not counted; the files of references may be coded otherwise.

    Raises:
        NotApplicable: it is of a kind that does not say so, or its members differ.
    """
    from hospital_agent.analysis.segmentation.ensemble import EnsembleOfSegmenters
    from hospital_agent.analysis.segmentation.foreign import OrientedSegmenter
    from hospital_agent.analysis.segmentation.network import NetworkSegmenter
    from hospital_agent.analysis.segmentation.nnunet import NnunetSegmenter

    if isinstance(segmenter, EnsembleOfSegmenters):
        counts = {label_count_of(member) for member in segmenter.members}
        if len(counts) > 1:
            raise NotApplicable("The members of an ensemble predict different numbers of classes.")
        return counts.pop()
    if isinstance(segmenter, OrientedSegmenter):
        return segmenter.inner.classes - 1
    if isinstance(segmenter, NetworkSegmenter):
        return segmenter.classes - 1
    if isinstance(segmenter, NnunetSegmenter):
        return max(map(int, segmenter.labels.all_labels))
    raise NotApplicable("This kind of model does not say how many labels it knows, which a mask autoencoder needs.")
