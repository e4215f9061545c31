"""Calibration on held-out patients: probability of failure, when to flag, and how wide the interval must be."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from hospital_agent.analysis.quality.inputs import Float64Array

FEWEST_PATIENTS_FOR_INTERVAL = 19  # below that not even 95 % can be promised


@dataclass(frozen=True)
class Platt:
    """probability = sigmoid(slope * log_odds + intercept), slope >= 0.

    A straight line keeps contributions additive, and two numbers can be learned from a handful of failures, where
    isotonic regression would learn steps. A negative slope would mean that the model points the wrong way: then it
    says nothing, and the probability is the base rate.

    Source:
        Platt 1999, with the smoothed targets of Lin, Lin and Weng 2007.
    """

    slope: float
    intercept: float

    @classmethod
    def fit(cls, log_odds: Float64Array, failed: NDArray[np.bool_]) -> "Platt":
        """From log-odds of cases that the model has not seen, and whether they failed."""
        bad, good = int(failed.sum()), int((~failed).sum())
        target = np.where(failed, (bad + 1) / (bad + 2), 1 / (good + 2))
        return cls._fit(log_odds, target, math.log((bad + 1) / (good + 1)))

    @classmethod
    def fit_share(cls, log_odds: Float64Array, share: Float64Array) -> "Platt":
        """The same for a share in [0, 1] instead of an event, as 1 - Dice: its expectation (Papke, Wooldridge 1996)."""
        mean = min(max(float(share.mean()), 1e-3), 1 - 1e-3)
        return cls._fit(log_odds, np.clip(share, 1e-3, 1 - 1e-3), math.log(mean / (1 - mean)))

    @classmethod
    def _fit(cls, log_odds: Float64Array, target: Float64Array, base_rate: float) -> "Platt":
        """Least cross-entropy between the targets and the sigmoid; the base rate where the slope would be negative."""
        centre, spread = float(log_odds.mean()), float(log_odds.std()) or 1.0
        scaled = (log_odds - centre) / spread

        def loss(parameters: Float64Array) -> float:
            logits = parameters[0] * scaled + parameters[1]
            return float(np.mean(np.logaddexp(0.0, logits) - target * logits))

        slope, intercept = minimize(loss, np.array([1.0, base_rate]), method="BFGS", options={"gtol": 1e-6}).x
        if slope <= 0:
            return cls(0.0, base_rate)
        return cls(float(slope / spread), float(intercept - slope * centre / spread))

    def log_odds(self, raw: Float64Array) -> Float64Array:
        """Calibrated log-odds of failure."""
        return self.slope * raw + self.intercept

    def probability(self, raw: Float64Array) -> Float64Array:
        """Calibrated probability of failure, in (0, 1)."""
        logits = np.clip(self.log_odds(raw), -700, 700)
        return 1.0 / (1.0 + np.exp(-logits))


def flag_threshold(probability: Float64Array, failed: NDArray[np.bool_], specificity: float) -> float:
    """The probability above which a case is flagged, so that a new good case is not flagged with `specificity`.

    The ceil(specificity (n + 1))-th smallest probability of the n good cases: exact on average for a case
    exchangeable with them. With too few good cases nothing is flagged (1.0).
    """
    good = np.sort(probability[~failed])
    rank = math.ceil(specificity * (good.size + 1) - 1e-9)
    return 1.0 if rank > good.size else float(good[rank - 1])


def conformal_quantile(scores: Float64Array, patients: Sequence[str], level: float) -> float | None:
    """The score that a new patient's case stays below with probability `level`; None with too few patients.

    Every patient weighs the same, whatever the number of cases, and one more patient stands for the new one at
    infinity: 9 patients are needed for 90 %, 19 for 95 %.

    Source:
        Lee, Barber, Willett, "Distribution-free inference with hierarchical data", 2023 (split-conformal with groups).
    """
    _, of_case, cases = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    if scores.size == 0:
        return None
    order = np.argsort(scores)
    mass = np.cumsum(1.0 / cases[of_case][order]) / (cases.size + 1)
    reached = np.flatnonzero(mass >= level - 1e-9)
    return float(scores[order[reached[0]]]) if reached.size else None


def interval_scale(scores: Float64Array, patients: Sequence[str], level: float) -> float | None:
    """`conformal_quantile`, or None where there are fewer than 19 patients: an interval on so few is not shown."""
    enough = len(set(patients)) >= FEWEST_PATIENTS_FOR_INTERVAL
    return conformal_quantile(scores, patients, level) if enough else None
