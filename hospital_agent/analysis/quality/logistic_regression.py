"""The quality model that is shipped: logistic regression over five bins of Dice, read from plain JSON.

Predicting needs numpy alone: no pickle that could run code, and no scikit-learn that could change its mind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality import QualityPrediction, Scores, quality_models
from hospital_agent.analysis.quality.bins import BinModel
from hospital_agent.analysis.quality.calibration import Platt
from hospital_agent.analysis.quality.inputs import Encoding, Group, QualityInput
from shared.report import FlagQuality

EMPTY_MASK = "an empty mask has no Dice to predict; it counts as a rate against the site baseline"
NO_INPUTS = "none of the values that the quality model needs is defined for this case"
TOO_FEW_PATIENTS = "too few patients to give an interval"


@dataclass(frozen=True, eq=False)
class QualityView:
    """One fitted model on one choice of inputs, with everything measured on patients that it had not seen.

    Args:
        name: "full" or "mask_only".
        encoding, bins: from named values to bins of Dice.
        platt: from failure log-odds to a calibrated probability.
        threshold: a case is flagged when its failure probability lies above it.
        interval_level: e.g. 0.9.
        interval_scale: half-width of the interval in SDs of the predicted Dice; None with too few patients.
        patient_count, case_count: what it was fitted on.
        measured_on: what those were, in words.
        flag_quality: measured sensitivity and specificity of the flag.
        assessment: further measured figures, by name, for the model card.
    """

    name: str
    encoding: Encoding
    bins: BinModel
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
        means, deviations = self.bins.expected_dice(columns)
        dice = float(means[0])
        reach = 1.0 if self.interval_scale is None else self.interval_scale * float(deviations[0])
        probability = float(self.platt.probability(self.bins.failure_log_odds(columns))[0])
        return QualityPrediction(
            predicted_dice=dice,
            low=max(dice - reach, 0.0),
            high=min(dice + reach, 1.0),
            interval_note=self.interval_note,
            failure_probability=probability,
            flagged=probability > self.threshold,
            contributions=self._contributions(columns[0]),
        )

    def _contributions(self, column: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Mapping[str, float]:
        shares = dict.fromkeys((item.name for item in self.encoding.inputs), 0.0)
        calibrated = self.platt.slope * self.bins.contributions(column)
        for name, share in zip(self.encoding.column_names, calibrated, strict=True):
            shares[name] += float(share)
        return shares

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "name": self.name,
            "encoding": self.encoding.to_json(),
            "bins": self.bins.to_json(),
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
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The view again; a wrong shape raises KeyError, TypeError or ValueError."""
        encoding = Encoding.from_json(data["encoding"])
        slope, intercept = data["platt"]
        scale = data["interval_scale"]
        return cls(
            name=str(data["name"]),
            encoding=encoding,
            bins=BinModel.from_json(data["bins"], len(encoding.column_names)),
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


@quality_models.register("logistic_regression")
@dataclass(frozen=True, eq=False)
class LogisticQualityModel:
    """Predicts the Dice of a mask that nobody has looked at, from scores of the mask and of the network.

    Multinomial logistic regression (balanced classes, standardised inputs) over five equal bins of Dice; the
    predicted Dice is the expectation over bin centres, the failure probability is calibrated on patients that the
    model had not seen. Where a mask was supplied by another product and nothing is known of the network that made
    it, a second view on the mask's features alone answers.

    Args:
        version: of the fitted model.
        views: the richest first; each knows which inputs it needs.

    Source:
        González et al., "Quality monitoring of federated Covid-19 lesion segmentation", 2021. Differs: bin centres
        instead of class/5, frequencies of training put back, calibrated probability, interval, network scores.
    """

    version: str
    views: tuple[QualityView, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all values that any view looks at."""
        items: dict[QualityInput, None] = {}
        for view in self.views:
            items.update(dict.fromkeys(view.encoding.inputs))
        return tuple(item.name for item in items)

    def flag_quality(self, *, mask_only: bool) -> FlagQuality:
        """What the flag is worth where this model's network segments, or where another product's masks are scored."""
        return self.views[-1 if mask_only else 0].flag_quality

    def view_for(self, scores: Scores) -> QualityView | None:
        """The richest view that these values can serve, or None."""
        return next((view for view in self.views if view.serves(scores)), None)

    def predict(self, scores: Scores, *, empty: bool) -> QualityPrediction:
        """Predict from named values; `empty` says that the mask has no voxel.

        An empty mask is never flagged here: most patients of an ordinary stream have no lesion, so it is watched as
        a rate against the site baseline.
        """
        view = None if empty else self.view_for(scores)
        if view is None:
            return _undefined(EMPTY_MASK if empty else NO_INPUTS)
        return view.predict(scores)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values: what `quality.json` of a model folder holds."""
        return {
            "kind": "logistic_regression",
            "version": self.version,
            "views": [view.to_json() for view in self.views],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The fitted model again.

        Raises:
            ModelMismatch: the JSON is not of such a model.
        """
        try:
            if data["kind"] != "logistic_regression" or not data["views"]:
                raise ValueError("Another kind of model, or none.")
            return cls(str(data["version"]), tuple(QualityView.from_json(view) for view in data["views"]))
        except (KeyError, TypeError, ValueError, IndexError) as problem:
            raise ModelMismatch("The quality model of this folder is damaged.") from problem


def _undefined(reason: str) -> QualityPrediction:
    return QualityPrediction(
        predicted_dice=None,
        low=0.0,
        high=1.0,
        interval_note=f"[0, 1]: {reason}",
        failure_probability=None,
        flagged=False,
        contributions={},
    )
