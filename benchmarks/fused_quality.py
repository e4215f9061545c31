"""How well fused scores rank masks under shifts of families that nobody learned from, beside what they are fused from.

    python -m benchmarks.fused_quality

Simulated patients (tests/quality_cases.py): a latent harm lowers Dice and moves noisy scores, and every shift family
shows itself in other scores. Each family is left out in turn with half of the patients; the other half under that
family, and once as it is, is ranked. Pooled over families: Spearman with 1 - Dice, AURC between random (0) and the
oracle (1), sensitivity for Dice < 0.6 at 90 % specificity. The best single score is chosen with the test's truth in
hand, which no method may.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from time import process_time

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

from hospital_agent.analysis.quality.fused_columns import FusedColumns, table_of
from hospital_agent.analysis.quality.fused_fit import fit_fused_ranking
from tests.quality_cases import ShiftedCases, shifted_cases

Numbers = NDArray[np.float64]
Ranker = Callable[[ShiftedCases, ShiftedCases], Numbers]
SEEDS, PATIENTS = 4, 30


def fused(train: ShiftedCases, test: ShiftedCases) -> Numbers:
    """Ours."""
    ranking = fit_fused_ranking(train.rows, train.dice, train.patients, train.families, train.directions)
    return ranking.badness(test.rows)


def columns_of(train: ShiftedCases, test: ShiftedCases) -> tuple[Numbers, Numbers, Numbers]:
    """Columns of both sides, and what is learned."""
    encoding = FusedColumns.fit(table_of(train.rows, tuple(train.directions)), tuple(train.directions))
    clipped = np.clip(train.dice, 0.02, 0.98)
    return encoding.columns(train.rows), encoding.columns(test.rows), -np.log(clipped / (1 - clipped))


def ridge(train: ShiftedCases, test: ShiftedCases) -> Numbers:
    """Plain ridge regression on the same columns."""
    seen, new, badness = columns_of(train, test)
    return np.asarray(Ridge(alpha=0.1 * len(seen)).fit(seen, badness).predict(new))


def forest(train: ShiftedCases, test: ShiftedCases) -> Numbers:
    """A plain random forest on the same columns."""
    seen, new, badness = columns_of(train, test)
    trees = RandomForestRegressor(100, min_samples_leaf=5, max_features=1 / 3, random_state=0)
    return np.asarray(trees.fit(seen, badness).predict(new))


def single(name: str) -> Ranker:
    """One score alone, in its direction; undefined ones rank in the middle."""

    def rank(train: ShiftedCases, test: ShiftedCases) -> Numbers:
        values = table_of(test.rows, (name,))[:, 0]
        middle = np.nanmedian(table_of(train.rows, (name,)))
        return (-1 if train.directions[name] == "higher_is_better" else 1) * np.where(np.isnan(values), middle, values)

    return rank


def left_out(cases: ShiftedCases, rankers: Mapping[str, Ranker]) -> tuple[dict[str, Numbers], Numbers]:
    """Ranking of every method over all left-out families, and the true Dice."""
    patients, families = np.array(cases.patients), np.array(cases.families)
    trained_on = np.isin(patients, np.unique(patients)[::2])
    told: dict[str, list[Numbers]] = defaultdict(list)
    truth: list[Numbers] = []
    for family in np.unique(families[families != "none"]):
        train = cases.where(trained_on & (families != family))
        test = cases.where(~trained_on & np.isin(families, [family, "none"]))
        truth.append(test.dice)
        for name, ranker in rankers.items():
            told[name].append(ranker(train, test))
    return {name: np.concatenate(parts) for name, parts in told.items()}, np.concatenate(truth)


def figures(risk: Numbers, dice: Numbers) -> tuple[float, float, float]:
    """Spearman, AURC between random and oracle, sensitivity at 90 % specificity."""
    curve = [
        np.mean(np.cumsum((1 - dice)[np.argsort(by, kind="stable")]) / np.arange(1, dice.size + 1))
        for by in (risk, -dice)
    ]
    random, failed = float(np.mean(1 - dice)), dice < 0.6
    found = float(np.mean(risk[failed] > np.quantile(risk[~failed], 0.9)))
    return float(spearmanr(risk, 1 - dice).statistic), (random - curve[0]) / (random - curve[1]), found


def table(visible: float) -> dict[str, Sequence[float]]:
    """Method -> mean figures over seeds, and CPU seconds a fit."""
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    spent: dict[str, float] = defaultdict(float)
    for seed in range(SEEDS):
        cases = shifted_cases(PATIENTS, seed=seed, visible=visible)
        rankers = {"fused": fused, "ridge": ridge, "forest": forest}
        timed = {name: _timed(name, ranker, spent) for name, ranker in rankers.items()}
        singles = {name: single(name) for name, way in cases.directions.items() if way != "neither"}
        told, truth = left_out(cases, timed | singles)
        measured = {name: figures(risk, truth) for name, risk in told.items()}
        best = max(singles, key=lambda name: measured[name][1])
        for name in rankers:
            rows[name].append((*measured[name], spent[name] / 7))
            spent[name] = 0.0
        rows["best single score"].append((*measured[best], 0.0))
    return {name: np.mean(several, axis=0).tolist() for name, several in rows.items()}


def _timed(name: str, ranker: Ranker, spent: dict[str, float]) -> Ranker:
    def rank(train: ShiftedCases, test: ShiftedCases) -> Numbers:
        begun = process_time()
        told = ranker(train, test)
        spent[name] += process_time() - begun
        return told

    return rank


def main() -> None:
    """Print one table for shifts that show in every score, and one for shifts that show in a third."""
    for visible in (1.0, 0.33):
        print(
            f"\nharm of a family shows in {visible:.0%} of the scores; "
            f"{SEEDS} seeds, {PATIENTS // 2} patients to learn from"
        )
        print(f"{'':20} {'Spearman':>9} {'AURC':>7} {'sens@90':>8} {'CPU s':>7}")
        for name, row in table(visible).items():
            print(f"{name:20} {row[0]:9.3f} {row[1]:7.3f} {row[2]:8.3f} {row[3]:7.2f}")


if __name__ == "__main__":
    main()
