"""Does a network know images of a kind it never saw? Each score against a left-out dataset; foreign is positive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hospital_agent.analysis.metrics.detection import auc
from hospital_agent.evaluation.results import OverSeeds
from hospital_agent.evaluation.several_organs.measuring import Judged

THRESHOLD_SD = 2.5
FEWEST_FOR_SD = 3
COLUMNS = ("accuracy", "sensitivity", "specificity", "auc")


@dataclass(frozen=True)
class Detected:
    """One score of one seed's network that never saw one dataset; None where undefined.

    Args:
        left_out, method, seed: of what.
        n, n_foreign: test images with a score, and how many of them are of the left-out dataset.
        threshold: tau; an image above it is called foreign.
        from_training: whether tau is the score's own, mean + 2.5 SD of the leave-one-out training distances; else it is
            mean + 2.5 SD over validation images of the datasets that were trained on.
        accuracy, sensitivity, specificity: with tau.
        auc: chance that a foreign image scores above another; 0.5 is none.
    """

    left_out: str
    method: str
    seed: int
    n: int
    n_foreign: int
    threshold: float | None
    from_training: bool
    accuracy: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    auc: float | None = None


def detected(rows: Sequence[Judged]) -> list[Detected]:
    """Every method in every seed against every left-out dataset; methods that no image has a value of are not there."""
    methods = [name for name in _names(rows) if any(one.row.values.get(name) is not None for one in rows)]
    places = list(dict.fromkeys((one.left_out, one.row.seed) for one in rows))
    return [
        _detected([one for one in rows if (one.left_out, one.row.seed) == place], method)
        for place in places
        for method in methods
    ]


def undefined_methods(rows: Sequence[Judged]) -> list[str]:
    """Methods that were asked for and have no value on any image."""
    defined = {one.method for one in detected(rows)}
    asked = {name for one in rows for name in one.row.measured}
    return sorted(asked - defined)


def over_seeds(found: Sequence[Detected], method: str, column: str, left_out: str | None = None) -> OverSeeds | None:
    """One column of a method, by seed; without a left-out dataset, the mean over all of them within each seed."""
    per_seed: dict[int, list[float]] = {}
    for one in found:
        value = getattr(one, column)
        if one.method == method and left_out in (None, one.left_out) and value is not None:
            per_seed.setdefault(one.seed, []).append(value)
    return OverSeeds.of(float(np.mean(values)) for values in per_seed.values())


def ranked(found: Sequence[Detected]) -> list[str]:
    """Methods by mean AUC, highest first."""
    means = {name: over_seeds(found, name, "auc") for name in dict.fromkeys(one.method for one in found)}
    return sorted(means, key=lambda name: -(told.mean if (told := means[name]) else -1.0))


def _names(rows: Sequence[Judged]) -> list[str]:
    return sorted({name for one in rows for name in one.row.measured})


def _detected(rows: Sequence[Judged], method: str) -> Detected:
    first = rows[0]
    known = [one for one in rows if one.row.values.get(method) is not None]
    test = [one for one in known if one.row.split == "test"]
    scores = np.array([one.row.values[method] for one in test], dtype=np.float64)
    foreign = np.array([one.foreign for one in test], dtype=np.bool_)
    own = first.thresholds.get(method)
    held_out = np.array([one.row.values[method] for one in known if one.row.split == "validation"], dtype=np.float64)
    tau = own if own is not None else _threshold(held_out)
    told = Detected(
        first.left_out, method, first.row.seed, len(test), int(foreign.sum()), tau, from_training=own is not None
    )
    if not foreign.any() or foreign.all():
        return told
    told = replace(told, auc=auc(scores, foreign))
    if tau is None:
        return told
    flagged = scores > tau
    return replace(
        told,
        accuracy=float(np.mean(flagged == foreign)),
        sensitivity=float(flagged[foreign].mean()),
        specificity=float((~flagged[~foreign]).mean()),
    )


def _threshold(scores: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float | None:
    """mean + 2.5 SD, divided by one less than their number; None below three."""
    return float(scores.mean() + THRESHOLD_SD * scores.std(ddof=1)) if scores.size >= FEWEST_FOR_SD else None
