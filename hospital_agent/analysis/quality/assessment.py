"""How good a quality model is on patients that it has not seen, and what each input is worth."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.metrics.detection import published_micro_specificity, sensitivity, specificity
from hospital_agent.analysis.quality.bins import BinModel, bins_of
from hospital_agent.analysis.quality.cross_fit import OutOfPatient, OutOfPatientDecisions, Training, cross_fit, decide
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.inputs import Float64Array

BOOTSTRAPS = 1000
BY_GROUP = ("predicted_dice_mae", "mean_dice_guess_mae", "interval_coverage", "sensitivity", "specificity")


def assess(training: Training, said: OutOfPatient, decided: OutOfPatientDecisions, seed: int) -> dict[str, Any]:
    """Figures by name, each with its 95 % patient bootstrap where it has one; for the model card.

    `micro_specificity_published` is the paper's number and no claim of quality (0.80 for a random guess).
    """
    failed, truth = training.failed, training.dice
    inside = (decided.low <= truth) & (truth <= decided.high)
    _, of_patient, cases = np.unique(training.patients, return_inverse=True, return_counts=True)
    share = 1.0 / cases[of_patient]  # the interval promises something of patients, so each one counts once
    figures: dict[str, Callable[[NDArray[np.int64]], float]] = {
        "predicted_dice_mae": lambda i: float(np.mean(np.abs(said.dice - truth)[i])),
        "mean_dice_guess_mae": lambda i: float(np.mean(np.abs(truth.mean() - truth)[i])),
        "interval_coverage": lambda i: float(np.average(inside[i], weights=share[i])),
        "interval_width": lambda i: float((decided.high - decided.low)[i].mean()),
        "failure_brier": lambda i: float(np.mean(np.square(decided.probability - failed)[i])),
        "sensitivity": lambda i: _share(decided.flagged[i], failed[i]),
        "specificity": lambda i: _share(~decided.flagged[i], ~failed[i]),
        "failure_auroc": lambda i: auroc(said.log_odds[i], failed[i]),
    }
    everything = np.arange(truth.size)
    draws = _patient_draws(training.patients, seed)
    measured: dict[str, Any] = {
        name: {"value": figure(everything), "patient_bootstrap_95": _percentiles([figure(draw) for draw in draws])}
        for name, figure in figures.items()
    }
    if training.groups is not None:
        measured["by_group"] = {
            str(group): _group(training, np.flatnonzero(training.groups == group), figures)
            for group in np.unique(training.groups)
        }
    measured["failed_case_count"] = int(failed.sum())
    measured["micro_specificity_published"] = published_micro_specificity(bins_of(truth), said.bins)
    measured["exact_bin_accuracy"] = float(np.mean(bins_of(truth) == said.bins))
    return measured


def ablation(
    training: Training,
    columns: Sequence[int],
    *,
    level: float = 0.9,
    wanted_specificity: float = 0.9,
    seed: int = 0,
    estimator: type[Estimator] = BinModel,
) -> dict[str, dict[str, float | None]]:
    """Leave one input out at a time: name -> AUROC for failures, MAE of Dice, sensitivity and specificity of the flag.

    The row "all" leaves none out. A figure that falls without an input shows what only that input tells.
    """
    choices = {"all": list(columns)}
    choices |= {training.inputs[left].name: [i for i in columns if i != left] for left in columns}
    return {
        name: _figures(training, chosen, wanted_specificity, level, seed, estimator) for name, chosen in choices.items()
    }


def auroc(scores: Float64Array, failed: NDArray[np.bool_]) -> float:
    """Probability that a failed case scores above a good one, ties half; NaN when either is missing."""
    if failed.all() or not failed.any():
        return float("nan")
    good = np.sort(scores[~failed])
    below = np.searchsorted(good, scores[failed], side="left")
    not_above = np.searchsorted(good, scores[failed], side="right")
    return float(np.mean(below + not_above) / 2 / good.size)


def _figures(
    training: Training,
    columns: Sequence[int],
    wanted_specificity: float,
    level: float,
    seed: int,
    estimator: type[Estimator],
) -> dict[str, float | None]:
    said = cross_fit(training, columns, seed, estimator)
    decided = decide(training, said, wanted_specificity, level)
    found, spared = (rate(decided.flagged, training.failed) for rate in (sensitivity, specificity))
    return {
        "failure_auroc": auroc(said.log_odds, training.failed),
        "predicted_dice_mae": float(np.mean(np.abs(said.dice - training.dice))),
        "sensitivity": None if found is None else found.estimate,
        "specificity": None if spared is None else spared.estimate,
    }


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(hits[among].mean()) if among.any() else float("nan")


def _group(
    training: Training, cases: NDArray[np.int64], figures: Mapping[str, Callable[[NDArray[np.int64]], float]]
) -> dict[str, float | int | None]:
    """Counts and figures of the cases of one kind; a figure that they cannot have is None."""
    counts = {
        "patient_count": int(np.unique(training.patients[cases]).size),
        "case_count": int(cases.size),
        "failed_case_count": int(training.failed[cases].sum()),
    }
    return {**counts, **{name: _finite(figures[name](cases)) for name in BY_GROUP}}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _percentiles(values: Sequence[float]) -> list[float] | None:
    known = [value for value in values if np.isfinite(value)]
    return np.percentile(known, [2.5, 97.5]).tolist() if known else None


def _patient_draws(patients: NDArray[np.str_], seed: int) -> list[NDArray[np.int64]]:
    """Case indices of patients drawn with replacement, all cases of a drawn patient together."""
    rng = np.random.default_rng(seed)
    cases = [np.flatnonzero(patients == name) for name in np.unique(patients)]
    drawn = rng.integers(len(cases), size=(BOOTSTRAPS, len(cases)))
    return [np.concatenate([cases[i] for i in row]) for row in drawn]
