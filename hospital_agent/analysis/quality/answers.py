"""The answers of a quality model that has no number to give, and their reasons."""

from hospital_agent.analysis.quality import QualityPrediction

EMPTY_MASK = "an empty mask has no Dice to predict; it counts as a rate against the site baseline"
NO_INPUTS = "none of the values that the quality model needs is defined for this case"
TOO_FEW_PATIENTS = "too few patients to give an interval"


def undefined(reason: str) -> QualityPrediction:
    """No prediction, an open interval, no flag, and why."""
    return QualityPrediction(
        predicted_dice=None,
        low=0.0,
        high=1.0,
        interval_note=f"[0, 1]: {reason}",
        failure_probability=None,
        flagged=False,
        contributions={},
    )
