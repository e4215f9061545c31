"""The two autoencoders that may stand beside a model: what hangs on each, and what a site trains them on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hospital_agent import autoencoder_files, mask_autoencoder_files
from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.assembly import site_pseudonyms
from hospital_agent.federation.asked import NoData
from hospital_agent.model_manifest import read_manifest
from hospital_agent.settings import Settings

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
    from hospital_agent.analysis.segmentation.foreign import OrientedSegmenter
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
    from hospital_agent.analysis.segmentation.network import NetworkSegmenter
    from hospital_agent.analysis.segmentation.nnunet import NnunetSegmenter
    from hospital_agent.model_folder import LoadedModel
    from hospital_agent.training.mask_autoencoder import ReferenceMask
    from hospital_agent.training.refinement_cases import RefinementCase

MASKS, ACTIVATIONS = "mask_autoencoder", "activation_autoencoder"
"""As scores name what they need (`hospital_agent.analysis.ood`)."""
WEIGHTS: Mapping[str, str] = {MASKS: mask_autoencoder_files.WEIGHTS, ACTIVATIONS: autoencoder_files.WEIGHTS}
"""The file of each in a model folder, and in a proposal."""
DERIVED = ("", "_log10", "_normalised")  # the names under which a score reaches a quality model


def kind_in(files: Iterable[str]) -> str | None:
    """Which autoencoder is among the files of a proposal; None without one."""
    return next((kind for kind, name in WEIGHTS.items() if name in files), None)


def scores_on(kind: str) -> frozenset[str]:
    """The scores that are other numbers with another autoencoder of this kind."""
    known = ood_scores.load("hospital_agent.analysis.ood").items()
    return frozenset(name for name, score in known if getattr(score, "needs", None) == kind)


def looks_at(inputs: Iterable[str], scores: Iterable[str]) -> bool:
    """Whether a quality model with these inputs looks at one of the scores."""
    return not {f"{name}{ending}" for name in scores for ending in DERIVED}.isdisjoint(inputs)


@dataclass(frozen=True, eq=False)
class ImageOfPatient:
    """An image as a network sees it.

    Args:
        patient: pseudonym.
        image: (Z, Y, X) from the segmenter's `working_image`.
    """

    patient: str = field(repr=False)
    image: FloatArray = field(repr=False)

    def content(self) -> bytes:
        """A hash of it."""
        return sha256(repr(self.image.shape).encode() + np.ascontiguousarray(self.image).tobytes()).digest()


def images_of(settings: Settings, loaded: "LoadedModel", say: Callable[[str], None]) -> list[ImageOfPatient]:
    """All images of the site as the network of the model sees them; what is refused is said and left out.

    Raises:
        NoData: the site has none.
        NotApplicable: the features of this kind of model can be listened to and not changed.
    """
    from hospital_agent.errors import InputRefused
    from hospital_agent.fitting_inputs import find_inputs
    from hospital_agent.ingest.series import read_series

    folder = settings.federation_images
    if folder is None or not folder.is_dir() or not any(folder.iterdir()):
        raise NoData("This site has no images for federated work.")
    host, pseudonyms, found = host_in(loaded), site_pseudonyms(settings.data_dir), []
    for one in find_inputs(folder, None):
        try:
            image = host.working_image(read_series(one.path, loaded.modality).volume)
        except InputRefused as problem:
            say(f"{one.name} was left out: {problem}")
            continue
        found.append(ImageOfPatient(pseudonyms.of("patient", one.patient), image))
    return found


def host_in(loaded: "LoadedModel") -> "NetworkSegmenter | OrientedSegmenter | NnunetSegmenter":
    """The segmenter of a model, behind its mask autoencoder if it has one, as one whose bottleneck is reconstructed.

    Raises:
        NotApplicable: the features of this kind of model can be listened to and not changed.
    """
    from hospital_agent.analysis.segmentation.mask_autoencoder import ReconstructingSegmenter
    from hospital_agent.fitted_autoencoder import host_of

    segmenter: Any = loaded.segmenter
    return host_of(segmenter.inner if isinstance(segmenter, ReconstructingSegmenter) else segmenter)


def activation_autoencoder_in(folder: Path) -> "ActivationAutoencoder":
    """The activation autoencoder of a model folder.

    Raises:
        NoData: it has none.
        ModelMismatch: it is damaged.
    """
    if not _holds(folder, ACTIVATIONS):
        raise NoData("The model at this site has no activation autoencoder to train on from.")
    return autoencoder_files.load_autoencoder(folder)


def mask_autoencoder_in(folder: Path) -> "MaskAutoencoder":
    """The mask autoencoder of a model folder.

    Raises:
        NoData: it has none.
        ModelMismatch: it is damaged.
    """
    if not _holds(folder, MASKS):
        raise NoData("The model at this site has no mask autoencoder to train on from.")
    return mask_autoencoder_files.load_mask_autoencoder(folder)


def _holds(folder: Path, kind: str) -> bool:
    """Whether the manifest names it; a file that only lies there is no part of the model."""
    return WEIGHTS[kind] in read_manifest(folder)["files"]


def masks_of(cases: "Sequence[RefinementCase]") -> "list[ReferenceMask]":
    """The masks that people made, without the images."""
    from hospital_agent.training.mask_autoencoder import ReferenceMask

    return [
        ReferenceMask(case.labels, case.volume.spacing_mm, case.patient) for case in cases if case.labels is not None
    ]
