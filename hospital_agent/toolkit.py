"""Names to objects, once: what a program needs in order to analyse cases, built at its start and handed down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hospital_agent.allow_list import NOBODY, AllowList
from hospital_agent.analysis.case import Case
from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.features import Feature, features, has_meaning_in
from hospital_agent.analysis.imaging.lungs import LungBackend, lung_backends
from hospital_agent.analysis.imaging.volume import BoolArray, Modality, Volume
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.quality import QualityModel
from hospital_agent.analysis.segmentation.base import Segmentation, Segmenter
from hospital_agent.analysis.uncertainty import UncertaintyScore, uncertainty_scores
from hospital_agent.model_folder import SHIPPED_MODEL, LoadedModel, load_model, modality_of
from shared.quantities import Quantity
from shared.report import FlagQuality

DEFAULT_LUNGS = "threshold"
SUPPLIED_MASK = "supplied_mask"


@dataclass(frozen=True)
class Toolkit:
    """Everything that `analyse_case` uses.

    Args:
        segmenter: None where only supplied masks are scored.
        lungs, lungs_backend: finds the lungs of a volume; None where none is wanted.
        features, uncertainty, ood: name -> score.
        validation: name of a score -> its range over in-distribution validation cases.
        quality: None without a model folder, or where it has no quality model.
        backend: what makes the masks, "supplied_mask" without a segmenter.
        model_version, model_hash: of the model folder; "none" without one.
        quality_quantities: what the quality model says, as monitored quantities.
        modality: of the images that it reads.
    """

    segmenter: Segmenter | None
    lungs: LungBackend | None
    lungs_backend: str
    features: Mapping[str, Feature]
    uncertainty: Mapping[str, UncertaintyScore]
    ood: Mapping[str, OodScore]
    validation: Mapping[str, ValidationRange] = field(default_factory=dict)
    quality: QualityModel | None = None
    flag_quality: FlagQuality | None = None
    backend: str = SUPPLIED_MASK
    model_version: str = "none"
    model_hash: str = "none"
    quality_quantities: tuple[Quantity, ...] = ()
    modality: Modality = "CT"

    @property
    def monitored(self) -> tuple[Quantity, ...]:
        """The quantities that are watched for change and summarised in reports, in a fixed order."""
        found = (
            *(feature.quantity for feature in self.features.values()),
            *(score.quantity for score in self.uncertainty.values()),
            *(score.wire_quantity for score in self.ood.values()),
            *(self.quality_quantities if self.quality is not None else ()),
        )
        return tuple(quantity for quantity in found if quantity.monitored)

    def values_of_nothing(self) -> dict[str, float]:
        """The values that a mask without a voxel has, by name: a distribution with such a value bounds their number."""
        nothing = Volume(np.zeros((2, 2, 2), dtype=np.int16), (1.0, 1.0, 1.0), modality=self.modality)
        case = Case(nothing, supplied_segmentation(np.zeros(nothing.shape, dtype=np.bool_)), None)
        values: dict[str, float] = {}
        for name, feature in self.features.items():
            try:
                value = feature.compute(case)
            except Exception:  # noqa: S112 - a feature that fails on an empty mask has no value for one
                continue
            if value is not None:
                values[name] = value
        return values


def build_toolkit(
    model: Path | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
    with_network: bool = True,
    lungs: str | None = DEFAULT_LUNGS,
    allowed: AllowList = NOBODY,
    modality: Modality | None = None,
) -> Toolkit:
    """Load every registered feature and score that has a meaning in a modality, and a model folder.

    Args:
        model: the folder; the shipped one when None. Without a network and without a shipped folder the toolkit has
            no quality model, and says so in the values that are missing.
        threads: on how many the network computes; all that there are when None.
        with_network: False scores supplied masks only and leaves torch alone.
        lungs: name of the lung backend, or None for an organ without lungs; in MR none are looked for.
        allowed: which models from elsewhere may run code when they are loaded.
        modality: of the images; that of the model folder when None.

    Raises:
        ModelMismatch: the model folder is damaged, its parts do not belong together, or it reads another modality.
        ModelNotAllowed: its model comes from elsewhere, would run code, and is not allowed to.
        UnknownName: there is no such lung backend.
    """
    modality = modality_for(model, modality, with_network=with_network)
    loaded = _load_model(model, device, with_network, allowed, modality)
    quality = loaded.quality if loaded else None
    if with_network and threads is not None:
        import torch

        torch.set_num_threads(threads)
    return replace(
        _measuring(lungs, modality),
        segmenter=loaded.segmenter if loaded else None,
        ood=loaded.ood if loaded else {},
        validation=loaded.validation if loaded else {},
        quality=quality,
        flag_quality=quality.flag_quality(mask_only=not with_network) if quality else None,
        backend=loaded.backend if loaded and loaded.segmenter else SUPPLIED_MASK,
        model_version=loaded.version if loaded else "none",
        model_hash=loaded.hash if loaded else "none",
        quality_quantities=_quality_quantities() if quality else (),
    )


def modality_for(model: Path | None, wanted: Modality | None, *, with_network: bool = True) -> Modality:
    """What is to be read with a model folder: what it says itself, or where there is none, what is wanted.

    Args:
        model: the folder; the shipped one when None, which reads CT.

    Raises:
        ModelMismatch: it is no model folder, or reads another modality than is wanted.
    """
    if model is None and not with_network:
        return wanted or "CT"
    known = modality_of(model or SHIPPED_MODEL)
    if wanted is not None and wanted != known:
        raise ModelMismatch(f"The model '{(model or SHIPPED_MODEL).name}' reads {known}, and {wanted} is asked for.")
    return known


def toolkit_around(
    segmenter: Segmenter,
    backend: str,
    version: str,
    *,
    lungs: str | None = DEFAULT_LUNGS,
    modality: Modality = "CT",
) -> Toolkit:
    """A toolkit around a segmenter to which nothing has been fitted yet: no feature-space scores, no quality model."""
    return replace(_measuring(lungs, modality), segmenter=segmenter, backend=backend, model_version=version)


def _measuring(lungs: str | None, modality: Modality) -> Toolkit:
    """Every registered feature that has a meaning in a modality, and every confidence, without a model."""
    lungs = lungs if modality == "CT" else None
    return Toolkit(
        segmenter=None,
        lungs=None if lungs is None else lung_backends.load("hospital_agent.analysis.imaging.lungs").get(lungs)(),
        lungs_backend=lungs or "none",
        features={
            name: feature()
            for name, feature in features.load("hospital_agent.analysis.features").items()
            if has_meaning_in(feature, modality)
        },
        uncertainty={
            name: score() for name, score in uncertainty_scores.load("hospital_agent.analysis.uncertainty").items()
        },
        ood={},
        modality=modality,
    )


def _load_model(
    folder: Path | None, device: str, with_network: bool, allowed: AllowList, modality: Modality
) -> LoadedModel | None:
    if folder is None and not with_network and (modality != "CT" or not SHIPPED_MODEL.is_dir()):
        return None  # the shipped quality model knows masks of CT alone
    return load_model(folder or SHIPPED_MODEL, device=device, with_network=with_network, allowed=allowed)


def _quality_quantities() -> tuple[Quantity, ...]:
    from hospital_agent.analysis.quality.quantities import FAILURE_PROBABILITY, PREDICTED_DICE

    return PREDICTED_DICE, FAILURE_PROBABILITY


def supplied_segmentation(mask: BoolArray) -> Segmentation:
    """A mask that another product made, as a segmentation without probabilities and features."""
    return Segmentation(
        mask=mask,
        probability=None,
        working_spacing_mm=None,
        patches=None,
        backend=SUPPLIED_MASK,
        model_version="none",
        model_hash="none",
        device="none",
        passes=0,
    )
