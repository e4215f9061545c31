"""The activation autoencoder of a model from elsewhere: trained on the images that its scores are fitted on."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.imaging.volume import FloatArray, Modality
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.errors import InputRefused
from hospital_agent.fitting import Say
from hospital_agent.fitting_inputs import Input
from hospital_agent.ingest.series import read_series

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
    from hospital_agent.analysis.segmentation.foreign import OrientedSegmenter
    from hospital_agent.analysis.segmentation.network import NetworkSegmenter
    from hospital_agent.analysis.segmentation.nnunet import NnunetSegmenter
    from hospital_agent.training.autoencoder import AutoencoderTraining

HELD_OUT = 5  # every fifth patient chooses the checkpoint


def fit_autoencoder(
    segmenter: Segmenter, inputs: Sequence[Input], modality: Modality, plan: "AutoencoderTraining", say: Say
) -> "ActivationAutoencoder":
    """Train on the images of four fifths of the patients, choose on the others', and attach the result.

    Raises:
        NotApplicable: the features of this kind of model can be listened to and not changed.
        TooFewCases: fewer than two patients have an image that can be read.
    """
    from hospital_agent.training.autoencoder import train_for

    host = host_of(segmenter)
    patients = sorted({one.patient for one in inputs})
    chosen_on = set(patients[::HELD_OUT])
    if len(patients) < 2:
        raise TooFewCases("An activation autoencoder is trained on images of at least two patients.")
    learnt: list[FloatArray] = []
    held_out: list[FloatArray] = []
    for one in inputs:
        try:
            image = host.working_image(read_series(one.path, modality).volume)
        except InputRefused:
            continue  # said, with its reason, when the model runs over the images
        (held_out if one.patient in chosen_on else learnt).append(image)
    say(f"training an activation autoencoder on {len(learnt)} images; {len(held_out)} choose when it is best")
    with TemporaryDirectory() as folder:
        made = train_for(inner_of(host), learnt, held_out, Path(folder), plan)
    inner_of(host).attach(made)
    return made


def attach_autoencoder(segmenter: Segmenter, autoencoder: "ActivationAutoencoder") -> None:
    """Let every segmentation from now on tell what the autoencoder changes.

    Raises:
        NotApplicable: the features of this kind of model can be listened to and not changed.
        TileMismatch: it was made for other tiles.
    """
    inner_of(host_of(segmenter)).attach(autoencoder)


def host_of(segmenter: Segmenter) -> "NetworkSegmenter | OrientedSegmenter | NnunetSegmenter":
    """The segmenter as one whose bottleneck can be reconstructed.

    Raises:
        NotApplicable: it is none, or its labels overlap.
    """
    from hospital_agent.analysis.segmentation.monai_bundle import MonaiSegmenter
    from hospital_agent.analysis.segmentation.network import NetworkSegmenter
    from hospital_agent.analysis.segmentation.nnunet import NnunetSegmenter

    if isinstance(segmenter, NetworkSegmenter):
        return segmenter
    if isinstance(segmenter, NnunetSegmenter):
        segmenter.refuse_regions()
        return segmenter
    if isinstance(segmenter, MonaiSegmenter) and segmenter.inner.keep.tile_layer is not None:
        return segmenter
    raise NotApplicable(
        "Segmentation distortion changes the features of a network; those of this model can at most be listened to."
    )


def inner_of(host: "NetworkSegmenter | OrientedSegmenter | NnunetSegmenter") -> "NetworkSegmenter | NnunetSegmenter":
    """The network's own segmenter, behind what turns volumes for it."""
    from hospital_agent.analysis.segmentation.foreign import OrientedSegmenter

    return host.inner if isinstance(host, OrientedSegmenter) else host
