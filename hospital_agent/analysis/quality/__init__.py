"""Quality without a reference: features and scores in, predicted Dice with an interval and failure probability out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from shared.registry import Registry
from shared.report import FlagQuality

Scores = Mapping[str, float | None]
FAILED_BELOW_DICE = 0.6  # Valindria et al., and the 2021 quality paper


@dataclass(frozen=True)
class QualityPrediction:
    """What is expected of a mask that nobody has looked at.

    Args:
        predicted_dice: expectation, in [0, 1]; None where the rules for empty masks leave it undefined.
        low, high: conformal interval of Dice; [0, 1] where too little is known to say more.
        interval_note: what the interval stands on, in words, e.g. "90 % over simulated lesions in known anatomies".
        failure_probability: calibrated probability that Dice < 0.6.
        flagged: whether a person should look.
        contributions: name of an input -> its share in the log-odds of failure (positive: towards failure).
    """

    predicted_dice: float | None
    low: float
    high: float
    interval_note: str
    failure_probability: float | None
    flagged: bool
    contributions: Mapping[str, float]


class QualityModel(Protocol):
    """A fitted model of mask quality."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all values that it may look at."""
        ...

    @property
    def version(self) -> str:
        """Of the fitted model."""
        ...

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The failure probabilities above which it flags; privacy must know them, since flags are counted."""
        ...

    def predict(self, scores: Scores, *, empty: bool) -> QualityPrediction:
        """Predict from named values; `empty` says that the mask has no voxel."""
        ...

    def flag_quality(self, *, mask_only: bool) -> FlagQuality | None:
        """How well the flag finds failures, as measured: with the network's scores, or from the mask alone."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Everything fitted, as plain JSON."""
        ...

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The fitted model again.

        Raises:
            ModelMismatch: the JSON is damaged.
        """
        ...


quality_models: Registry[type[QualityModel]] = Registry("quality model")
