"""One fitted model on one choice of inputs: the whole way from named values to an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hospital_agent.analysis.quality import QualityPrediction, Scores
from hospital_agent.analysis.quality.answers import TOO_FEW_PATIENTS
from hospital_agent.analysis.quality.attribution import by_owner
from hospital_agent.analysis.quality.calibration import Platt
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.inputs import Encoding, Float64Array, Group
from shared.report import FlagQuality


@dataclass(frozen=True, eq=False)
class QualityView:
    """One fitted model on one choice of inputs, with everything measured on patients that it had not seen.

    Args:
        name: "full" or "mask_only".
        encoding, estimator: from named values to standardised columns, and from those to how bad a mask is.
        platt: from failure log-odds to a calibrated probability.
        threshold: a case is flagged when its failure probability lies above it.
        interval_level: e.g. 0.9.
        interval_scale: half-width of the interval in the estimator's unit of error; None with too few patients.
        patient_count, case_count: what it was fitted on.
        measured_on: what those were, in words.
        flag_quality: measured sensitivity and specificity of the flag.
        assessment: further measured figures, by name, for the model card.
    """

    name: str
    encoding: Encoding
    estimator: Estimator
    platt: Platt
    threshold: float
    interval_level: float
    interval_scale: float | None
    patient_count: int
    case_count: int
    measured_on: str
    flag_quality: FlagQuality
    assessment: Mapping[str, Any]

    @property
    def groups(self) -> frozenset[Group]:
        """The parts of the analysis that it needs."""
        return frozenset(item.group for item in self.encoding.inputs)

    def serves(self, scores: Scores) -> bool:
        """Whether each part that it needs has given at least one defined value."""
        present = {item.group for item in self.encoding.inputs if scores.get(item.name) is not None}
        return present == self.groups

    @property
    def interval_note(self) -> str:
        """What the interval stands on: never more than it can claim."""
        source = "" if self.name == "full" else ", from the mask alone"
        if self.interval_scale is None:
            return f"[0, 1]: {TOO_FEW_PATIENTS} of {100 * self.interval_level:.0f} %"
        return (
            f"{100 * self.interval_level:.0f} % over {self.measured_on}{source} "
            f"(conformal, each patient counted once; cross-fitted)"
        )

    def predict(self, scores: Scores) -> QualityPrediction:
        """Predict a non-empty mask."""
        columns = self.encoding.encode([scores])
        means, deviations = self.estimator.expected_dice(columns)
        dice = float(means[0])
        reach = 1.0 if self.interval_scale is None else self.interval_scale * float(deviations[0])
        probability = float(self.platt.probability(self.estimator.failure_log_odds(columns))[0])
        return QualityPrediction(
            predicted_dice=dice,
            low=max(dice - reach, 0.0),
            high=min(dice + reach, 1.0),
            interval_note=self.interval_note,
            failure_probability=probability,
            flagged=probability > self.threshold,
            contributions=self._contributions(columns[0]),
        )

    def _contributions(self, column: Float64Array) -> Mapping[str, float]:
        calibrated = self.platt.slope * self.estimator.contributions(column)
        return by_owner(calibrated, self.encoding.column_names)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "name": self.name,
            "encoding": self.encoding.to_json(),
            self.estimator.part: self.estimator.to_json(),
            "platt": [self.platt.slope, self.platt.intercept],
            "threshold": self.threshold,
            "interval_level": self.interval_level,
            "interval_scale": self.interval_scale,
            "patient_count": self.patient_count,
            "case_count": self.case_count,
            "measured_on": self.measured_on,
            "flag_quality": self.flag_quality.model_dump(mode="json"),
            "assessment": dict(self.assessment),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], estimator: type[Estimator]) -> Self:
        """The view again; a wrong shape raises KeyError, TypeError or ValueError."""
        encoding = Encoding.from_json(data["encoding"])
        slope, intercept = data["platt"]
        scale = data["interval_scale"]
        return cls(
            name=str(data["name"]),
            encoding=encoding,
            estimator=estimator.from_json(data[estimator.part], len(encoding.column_names)),
            platt=Platt(float(slope), float(intercept)),
            threshold=float(data["threshold"]),
            interval_level=float(data["interval_level"]),
            interval_scale=None if scale is None else float(scale),
            patient_count=int(data["patient_count"]),
            case_count=int(data["case_count"]),
            measured_on=str(data["measured_on"]),
            flag_quality=FlagQuality.model_validate(data["flag_quality"]),
            assessment=dict(data["assessment"]),
        )
