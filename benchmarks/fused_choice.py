"""Why `fused_quality` is half a line and half a forest: the parts and their rivals on the validation rows of real runs.

    python -m benchmarks.fused_choice OUT [OUT ...]      # folders that `hospital-agent evaluate` wrote

Only validation patients are looked at. Each shift family is left out in turn, with a quarter of the patients; the cases
of that quarter under that family and as they are get ranked by what learned from the rest. Normalised AURC (1 oracle,
0 random) and Spearman with 1 - Dice, mean over families and seeds. The best single score is chosen on the same cases
that the others learn from, by its correlation over families.
"""

import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from hospital_agent.analysis.metrics.correlation import spearman
from hospital_agent.analysis.metrics.risk_coverage import risk_coverage
from hospital_agent.analysis.quality import fused_fit
from hospital_agent.analysis.quality.fused_columns import FusedColumns
from hospital_agent.analysis.quality.fused_fit import FusedTraining
from hospital_agent.evaluation.methods import feature_directions, one_pass_directions
from hospital_agent.evaluation.rows import UNSHIFTED, Scored

Numbers = NDArray[np.float64]
Ranker = Callable[[FusedTraining, FusedTraining], Numbers]
FOLDS, RIDGE = 4, 0.1


def ours(train: FusedTraining, test: FusedTraining) -> Numbers:
    """Half a line, half a forest."""
    encoding, score = fused_fit._fit(train, 0)
    return score.badness(fused_fit._columns(encoding, test))


def line_alone(train: FusedTraining, test: FusedTraining) -> Numbers:
    """The line of ours."""
    encoding, score = fused_fit._fit(train, 0)
    return np.asarray(fused_fit._columns(encoding, test) @ score.weights)


def forest_alone(train: FusedTraining, test: FusedTraining) -> Numbers:
    """The forest of ours."""
    encoding, score = fused_fit._fit(train, 0)
    return score.trees.predict(fused_fit._columns(encoding, test))


def ridge(train: FusedTraining, test: FusedTraining) -> Numbers:
    """Ridge regression on the same columns."""
    encoding = FusedColumns.fit(train.table, train.names)
    target = fused_fit._normal_scores(1 - train.dice)
    fitted = Ridge(alpha=RIDGE * target.size).fit(fused_fit._columns(encoding, train), target)
    return np.asarray(fitted.predict(fused_fit._columns(encoding, test)))


def best_single(train: FusedTraining, test: FusedTraining) -> Numbers:
    """The one column that told most of Dice in training, either way."""
    encoding = FusedColumns.fit(train.table, train.names)
    loudness = fused_fit._loudness(fused_fit._columns(encoding, train), fused_fit._normal_scores(1 - train.dice), train)
    best = int(np.argmax(np.abs(loudness)))
    return np.sign(loudness[best]) * fused_fit._columns(encoding, test)[:, best]


RANKERS: dict[str, Ranker] = {
    "ours": ours,
    "its line alone": line_alone,
    "its forest alone": forest_alone,
    "ridge regression": ridge,
    "best single score": best_single,
}


def main() -> None:
    """One table a folder."""
    warnings.simplefilter("ignore")
    for folder in map(Path, sys.argv[1:]):
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for rows in rows_of(folder):
            for train, test in left_out(_training([row for row in rows if row.split == "validation"])):
                for name, told in _told(train, test).items():
                    found[name].append(told)
        print(f"\n{folder.name}\n{'':20} {'norm. AURC':>11} {'Spearman':>9}")
        for name in RANKERS:
            print(f"{name:20} {np.mean([a for a, _ in found[name]]):11.3f} {np.mean([s for _, s in found[name]]):9.3f}")


def rows_of(folder: Path) -> Iterator[list[Scored]]:
    """The rows of each seed: of an image's lines the last, and of a seed's files the newest."""
    files = sorted((folder / "rows").glob("seed*.jsonl"), key=lambda path: path.stat().st_mtime)
    newest = {path.name.partition("-")[0]: path for path in files}
    for path in newest.values():
        read = (Scored.from_json(json.loads(line)) for line in path.read_text().splitlines())
        yield list({(row.case, row.condition): row for row in read}.values())


def left_out(cases: FusedTraining) -> Iterator[tuple[list[FusedTraining], list[FusedTraining]]]:
    """For every family: what each patient fold learns from, and what it is asked."""
    fold = fused_fit._dealt(cases.patients, cases.failed, FOLDS, 0)
    for family in sorted(set(cases.groups) - {UNSHIFTED}):
        asked = np.isin(cases.groups, [UNSHIFTED, family])
        yield (
            [cases.part((fold != each) & (cases.groups != family)) for each in range(FOLDS)],
            [cases.part((fold == each) & asked) for each in range(FOLDS)],
        )


def _told(train: list[FusedTraining], test: list[FusedTraining]) -> dict[str, tuple[float, float]]:
    dice = np.concatenate([part.dice for part in test])
    told = {}
    for name, ranker in RANKERS.items():
        risk = np.concatenate([ranker(seen, new) for seen, new in zip(train, test, strict=True)])
        curve, order = risk_coverage(risk, dice), spearman(risk.tolist(), (1 - dice).tolist())
        told[name] = (curve.normalised if curve and curve.normalised is not None else np.nan, order or 0.0)
    return told


def _training(rows: list[Scored]) -> FusedTraining:
    labels = max((len(row.label_dice) for row in rows), default=1)
    names = {**feature_directions(labels), **one_pass_directions()}
    return fused_fit._training(
        [row.values for row in rows],
        [row.dice for row in rows],
        [row.patient for row in rows],
        [row.condition.family for row in rows],
        names,
        (UNSHIFTED,),
    )


if __name__ == "__main__":
    main()
