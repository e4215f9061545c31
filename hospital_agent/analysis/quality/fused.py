"""The recommended quality model: every score that one forward pass gives, fused into one answer.

Predicting needs numpy alone; fitting lives in `fused_fit`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality import QualityPrediction, Scores, quality_models
from hospital_agent.analysis.quality.answers import EMPTY_MASK, NO_INPUTS, undefined
from hospital_agent.analysis.quality.attribution import by_owner, contributions
from hospital_agent.analysis.quality.calibration import Platt
from hospital_agent.analysis.quality.estimator import finite
from hospital_agent.analysis.quality.fused_columns import FusedColumns, table_of
from hospital_agent.analysis.quality.inputs import Float64Array
from hospital_agent.analysis.quality.trees import TreeEnsemble
from shared.report import FlagQuality

KIND = "fused_quality"
LEAST_SPREAD = 0.1  # of the Dice around its expectation, where the expectation is near 0 or 1


@dataclass(frozen=True, eq=False)
class FusedScore:
    """How bad a mask is, in SDs of the training cases: a line and trees.

    The line lets every score speak as loudly as it told of Dice under the shifts of training, and so still hears those
    that a new shift moves; the trees see what only some scores together tell.

    Args:
        weights: (C,).
        intercept: of the line.
        tree_share: what the answer of the trees is multiplied by, >= 0.
        trees: on the same columns.
    """

    weights: Float64Array
    intercept: float
    tree_share: float
    trees: TreeEnsemble

    def badness(self, columns: Float64Array) -> Float64Array:
        """(N,) higher is worse."""
        line = columns @ self.weights + self.intercept
        badness: Float64Array = line + self.tree_share * self.trees.predict(columns)
        return badness

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
            "tree_share": self.tree_share,
            "trees": self.trees.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The score again; a wrong shape raises KeyError, TypeError or ValueError."""
        intercept, share = (float(finite(data[name], ())) for name in ("intercept", "tree_share"))
        weights = finite(data["weights"], (columns,))
        return cls(weights, intercept, share, TreeEnsemble.from_json(data["trees"], columns))


@dataclass(frozen=True, eq=False)
class FusedRanking:
    """Ranks cases for review by everything that is known of them: the uncalibrated part of the fused model.

    Args:
        encoding: from named values to columns.
        score: from columns to badness.
    """

    encoding: FusedColumns
    score: FusedScore

    def badness(self, rows: Sequence[Scores]) -> Float64Array:
        """(N,) in SDs of the training cases, uncalibrated; higher is worse."""
        return self.score.badness(self.encoding.columns(rows))

    def risk(self, scores: Scores) -> float:
        """A continuous score in (0, 1); higher is worse.

        Undefined scores count as ordinary; a case of which nothing is known ranks in the middle.
        """
        return float(1 / (1 + np.exp(-np.clip(self.badness([scores])[0], -30, 30))))


def spread_of(dice: Float64Array) -> Float64Array:
    """How widely Dice scatters around an expectation: most in the middle, where much is possible."""
    return np.maximum(np.sqrt(dice * (1 - dice)), LEAST_SPREAD)


@quality_models.register(KIND)
@dataclass(frozen=True, eq=False)
class FusedQualityModel:
    """Predicts the Dice of a mask from all scores of its one forward pass, and ranks masks for review.

    A single score fails where a shift leaves it alone, and which one is best differs from task to task. Here features,
    confidences and feature-space scores are put on one scale (`FusedColumns`) and weighed by what they told of Dice
    under shifts. The direction that a score declares does not bind it: the mean confidence inside a foreground of
    confident mistakes points the other way.

    Args:
        version: of the fitted model.
        encoding: from named values to columns.
        score: from columns to badness.
        dice: from badness to 1 - expected Dice.
        failure: from badness to the probability that Dice < 0.6.
        start: (C,) mean of the training columns, from which contributions are counted.
        threshold: a case is flagged when its failure probability lies above it.
        interval_level: e.g. 0.9.
        interval_scale: half-width of the interval in `spread_of`; None with too few patients.
        interval_source: what the interval stands on, or why there is none, in words.
        told: measured sensitivity and specificity of the flag; None where they could not be measured.
        assessment: further measured figures, by name.
    """

    version: str
    encoding: FusedColumns
    score: FusedScore
    dice: Platt
    failure: Platt
    start: Float64Array
    threshold: float
    interval_level: float
    interval_scale: float | None
    interval_source: str
    told: FlagQuality | None
    assessment: Mapping[str, Any]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all values that it looks at."""
        return self.encoding.names

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The one threshold."""
        return (self.threshold,)

    @property
    def interval_note(self) -> str:
        """What the interval stands on."""
        percent = f"{100 * self.interval_level:.0f} %"
        if self.interval_scale is None:
            return f"[0, 1]: {self.interval_source}"
        return f"{percent} over {self.interval_source}"

    def flag_quality(self, *, mask_only: bool) -> FlagQuality | None:
        """What the flag is worth on shift families not seen; None for supplied masks, on which it was not measured."""
        return None if mask_only else self.told

    def risk(self, scores: Scores) -> float:
        """`FusedRanking.risk`: for ranking cases, whatever the calibration says."""
        return FusedRanking(self.encoding, self.score).risk(scores)

    def predict(self, scores: Scores, *, empty: bool = False) -> QualityPrediction:
        """Predict from named values; `empty` says that the mask has no voxel."""
        if empty or np.isnan(table_of([scores], self.inputs)).all():
            return undefined(EMPTY_MASK if empty else NO_INPUTS)
        columns = self.encoding.columns([scores])
        badness = self.score.badness(columns)
        dice = 1 - self.dice.probability(badness)
        reach = 1.0 if self.interval_scale is None else self.interval_scale * float(spread_of(dice)[0])
        probability = float(self.failure.probability(badness)[0])
        return QualityPrediction(
            predicted_dice=float(dice[0]),
            low=max(float(dice[0]) - reach, 0.0),
            high=min(float(dice[0]) + reach, 1.0),
            interval_note=self.interval_note,
            failure_probability=probability,
            flagged=probability > self.threshold,
            contributions=self._contributions(columns[0]),
        )

    def _contributions(self, column: Float64Array) -> dict[str, float]:
        """In the log-odds of failure, against the training mean."""
        shares = contributions(lambda c: self.failure.log_odds(self.score.badness(c)), self.start, column)
        return by_owner(shares, self.encoding.names)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values: what `quality.json` of a model folder holds."""
        return {
            "kind": KIND,
            "version": self.version,
            "inputs": self.encoding.to_json(),
            "score": self.score.to_json(),
            "dice": [self.dice.slope, self.dice.intercept],
            "failure": [self.failure.slope, self.failure.intercept],
            "start": self.start.tolist(),
            "threshold": self.threshold,
            "interval_level": self.interval_level,
            "interval_scale": self.interval_scale,
            "interval_source": self.interval_source,
            "flag_quality": None if self.told is None else self.told.model_dump(mode="json"),
            "assessment": dict(self.assessment),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The fitted model again.

        Raises:
            ModelMismatch: the JSON is not of such a model.
        """
        try:
            if data["kind"] != KIND:
                raise ValueError("Another kind of model.")
            return cls._from_json(data)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as problem:
            raise ModelMismatch("The quality model of this folder is damaged.") from problem

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> Self:
        encoding = FusedColumns.from_json(data["inputs"])
        count = len(encoding.names)
        scale, told, start = data["interval_scale"], data["flag_quality"], np.array(data["start"], dtype=np.float64)
        if start.shape != (count,):
            raise ValueError("The training mean does not fit the columns.")
        return cls(
            version=str(data["version"]),
            encoding=encoding,
            score=FusedScore.from_json(data["score"], count),
            dice=Platt(*map(float, data["dice"])),
            failure=Platt(*map(float, data["failure"])),
            start=start,
            threshold=float(data["threshold"]),
            interval_level=float(data["interval_level"]),
            interval_scale=None if scale is None else float(scale),
            interval_source=str(data["interval_source"]),
            told=None if told is None else FlagQuality.model_validate(told),
            assessment=dict(data["assessment"]),
        )
