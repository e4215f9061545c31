"""The order of the science, on one page: from a volume to everything that is known about its segmentation.

    lungs -> segmentation (one forward pass) -> features -> uncertainty -> feature-space scores -> quality

A score that fails is left out and recorded as a `CaseFailure`; a score that the case cannot have is None. Neither is
ever NaN or 0. Only when the segmentation itself fails is there no result.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.errors import AnalysisError
from hospital_agent.analysis.features import Feature
from hospital_agent.analysis.imaging.volume import BoolArray, Volume
from hospital_agent.analysis.normalise import log_ratios, normalised
from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.quality import QualityPrediction
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import UncertaintyScore
from hospital_agent.errors import CaseFailed
from hospital_agent.toolkit import Toolkit, supplied_segmentation

Values = dict[str, float | None]
Measured = TypeVar("Measured", Feature, UncertaintyScore, OodScore)
Progress = Callable[[str], None]

SUPPLIED_LUNGS = "supplied"


@dataclass(frozen=True)
class CaseFailure:
    """A part of the analysis that did not work: at which stage, and why, as slugs that may be counted."""

    stage: str
    reason: str


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What is known about one volume and its segmentation.

    Args:
        segmentation: the mask with what made it.
        lungs_backend, lungs_ml: who found the lungs and how large they are, or None where there are none.
        features, uncertainty, ood: name -> value, None where undefined; a name that is absent was not computed.
        quality: the prediction, or None where there is no quality model or it failed.
        failures, warnings: what did not work, and what a person should know.
        timings_s: stage -> seconds.
    """

    volume: Volume = field(repr=False)
    segmentation: Segmentation = field(repr=False)
    lungs_backend: str
    lungs_ml: float | None
    features: Values
    uncertainty: Values
    ood: Values
    quality: QualityPrediction | None
    failures: tuple[CaseFailure, ...]
    warnings: tuple[str, ...]
    timings_s: dict[str, float]

    @property
    def empty(self) -> bool:
        """Whether the mask holds no voxel."""
        return not self.segmentation.mask.any()

    @property
    def values(self) -> Values:
        """Every named value of the case in one mapping, quality included; what the store keeps."""
        values = {**self.features, **self.uncertainty, **self.ood}
        if self.quality is not None:
            values["predicted_dice"] = self.quality.predicted_dice
            values["failure_probability"] = self.quality.failure_probability
        return values

    def to_json(self, *, mask_path: str | None = None) -> dict[str, Any]:
        """The result as JSON has it; `null` is undefined, an absent name was not computed."""
        segmentation = self.segmentation
        return {
            "segmentation": {
                "backend": segmentation.backend,
                "model_version": segmentation.model_version,
                "model_hash": segmentation.model_hash,
                "device": segmentation.device,
                "passes": segmentation.passes,
                "volume_ml": float(segmentation.mask.sum()) * self.volume.voxel_ml,
                "mask": mask_path,
            },
            "volume": {
                "modality": self.volume.modality,
                "shape_zyx": list(self.volume.shape),
                "spacing_mm_zyx": list(self.volume.spacing_mm),
            },
            "lungs": {"backend": self.lungs_backend, "volume_ml": self.lungs_ml},
            "features": self.features,
            "uncertainty": self.uncertainty,
            "ood": self.ood,
            "quality": None if self.quality is None else _quality_json(self.quality),
            "timings_s": {stage: round(seconds, 4) for stage, seconds in self.timings_s.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "warnings": list(self.warnings),
        }


def analyse_case(
    volume: Volume,
    toolkit: Toolkit,
    *,
    mask: BoolArray | Segmentation | None = None,
    lungs: BoolArray | None = None,
    progress: Progress | None = None,
) -> CaseResult:
    """Segment a volume, or take a mask that another product made, and score it.

    Args:
        mask: (Z, Y, X) bool on the volume's grid, or a segmentation around one (`supplied_segmentation`); then nothing
            is segmented, and scores of the network are None.
        lungs: (Z, Y, X) bool on the volume's grid; found by the toolkit's backend when not given.
        progress: told the name of each stage as it begins.

    Raises:
        CaseFailed: the segmentation failed, or the toolkit has no segmenter and no mask was given.
        GeometryMismatch: mask or lungs lie on another grid.
    """
    run = _Run(progress)
    with run.stage("lungs"):
        lungs, lungs_backend = _find_lungs(run, volume, toolkit, lungs)
    with run.stage("segmentation"):
        segmentation = _segment(volume, toolkit, mask)
    case = Case(volume, segmentation, lungs, lungs_backend)
    with run.stage("features"):
        features = run.measured(toolkit.features, lambda feature: feature.compute(case))
    with run.stage("uncertainty"):
        uncertainty = run.measured(toolkit.uncertainty, lambda score: score.compute(segmentation))
        uncertainty |= normalised(uncertainty, toolkit.validation)
    with run.stage("ood"):
        ood = run.measured(toolkit.ood, lambda score: score.compute(segmentation))
        ood |= {**log_ratios(ood, toolkit.validation), **normalised(ood, toolkit.validation)}
    with run.stage("quality"):
        quality = _predict(run, toolkit, {**features, **uncertainty, **ood}, empty=case.components.empty)
    return CaseResult(
        volume=volume,
        segmentation=segmentation,
        lungs_backend=lungs_backend,
        lungs_ml=None if lungs is None else float(lungs.sum()) * volume.voxel_ml,
        features=features,
        uncertainty=uncertainty,
        ood=ood,
        quality=quality,
        failures=tuple(run.failures),
        warnings=(*segmentation.warnings, *run.warnings),
        timings_s=run.timings_s,
    )


class _Run:
    """What one analysis collects on its way: times, failures, warnings."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._stage = ""
        self.timings_s: dict[str, float] = {}
        self.failures: list[CaseFailure] = []
        self.warnings: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and say that it begins."""
        self._stage = name
        if self._progress is not None:
            self._progress(name)
        begun = perf_counter()
        try:
            yield
        finally:
            self.timings_s[name] = perf_counter() - begun

    def failed(self, what: str, error: BaseException | None) -> None:
        """Record that something could not be computed in this stage."""
        self.failures.append(CaseFailure(self._stage, reason_of(error)))
        self.warnings.append(f"{what} could not be computed and was left out.")

    def measured(self, scores: Mapping[str, Measured], compute: Callable[[Measured], float | None]) -> Values:
        """Name -> value, without the scores that failed or gave what their quantity cannot be."""
        values: Values = {}
        for name, score in scores.items():
            try:
                value = compute(score)
            except Exception as error:  # any fault of one score must not cost the others
                self.failed(score.quantity.label, error)
                continue
            if value is None or score.quantity.accepts(value):
                values[name] = None if value is None else float(value)
            else:
                self.failed(score.quantity.label, None)
        return values


def reason_of(error: BaseException | None) -> str:
    """A slug for what went wrong; None stands for a value outside its quantity's range."""
    if error is None:
        return "value_out_of_range"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out_of_memory"
    return "analysis_error" if isinstance(error, AnalysisError) else "unexpected_error"


def _find_lungs(
    run: _Run, volume: Volume, toolkit: Toolkit, supplied: BoolArray | None
) -> tuple[BoolArray | None, str]:
    if supplied is not None:
        return supplied, SUPPLIED_LUNGS
    if toolkit.lungs is None:
        return None, "none"
    try:
        return toolkit.lungs.find(volume), toolkit.lungs_backend
    except Exception as error:
        run.failed("The lung mask", error)
        return None, "none"


def _segment(volume: Volume, toolkit: Toolkit, mask: BoolArray | Segmentation | None) -> Segmentation:
    if isinstance(mask, Segmentation):
        return mask
    if mask is not None:
        return supplied_segmentation(mask)
    if toolkit.segmenter is None:
        raise CaseFailed("There is no segmenter and no mask was supplied.", stage="segmentation", reason="no_segmenter")
    try:
        return toolkit.segmenter.segment(volume)
    except Exception as error:
        reason = reason_of(error)
        sentence = f"The segmentation failed ({reason.replace('_', ' ')})."
        raise CaseFailed(sentence, stage="segmentation", reason=reason) from error


def _predict(run: _Run, toolkit: Toolkit, values: Values, *, empty: bool) -> QualityPrediction | None:
    if toolkit.quality is None:
        return None
    try:
        return toolkit.quality.predict(values, empty=empty)
    except Exception as error:
        run.failed("The quality", error)
        return None


def _quality_json(quality: QualityPrediction) -> dict[str, Any]:
    return {
        "predicted_dice": quality.predicted_dice,
        "interval": [quality.low, quality.high],
        "interval_note": quality.interval_note,
        "failure_probability": quality.failure_probability,
        "flagged": quality.flagged,
        "contributions": dict(quality.contributions),
    }
