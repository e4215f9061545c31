"""All figures of a report, from its rows. Those of single cases show the first seed: networks share no scale."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.evaluation.calibrated import FAILURE_PROBABILITY, PREDICTED_DICE
from hospital_agent.evaluation.cases import ALL, VOLUME, Cases, by_seed, is_failed, is_shifted, score_of, unshifted
from hospital_agent.evaluation.measures import Validation
from hospital_agent.evaluation.plots import calibration, correlations, histograms, quadrants, risk_coverage
from hospital_agent.evaluation.plots.style import save
from hospital_agent.evaluation.results import Results
from hospital_agent.evaluation.rows import Method, Scored

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS, CURVES = 4, 5
CAPTIONS = {
    "dice_against_uncertainty": "Dice against normalised uncertainty. Lower left, shaded: silent failures, bad masks "
    "that the threshold lets through. First seed.",
    "rank_correlations": "Spearman correlation of score and 1 - Dice for each shift family, mean over seeds.",
    "scores_in_and_out": "Scores of the best detectors for unshifted and for shifted images. First seed.",
    "risk_coverage": "Risk that is left when the most suspicious cases are set aside. All test cases, first seed.",
    "calibration": "Predicted against observed. Test cases of shifts that the model never saw, first seed.",
}


def write_figures(
    out: Path, rows: Sequence[Scored], methods: Sequence[Method], results: Results, chosen: str | None
) -> list[str]:
    """Write what the rows define as `<name>.png`; returns the names, in the order of `CAPTIONS`."""
    drawn = figures(rows, methods, results, chosen)
    for name, figure in drawn.items():
        save(figure, out / f"{name}.png")
    return list(drawn)


def figures(
    rows: Sequence[Scored], methods: Sequence[Method], results: Results, chosen: str | None
) -> "dict[str, Figure]":
    """Name -> figure, of those that the rows define."""
    trivial = {method.name for method in methods if method.trivial}
    by_error, by_shift = (
        [name for name in results.ranked(column) if name not in trivial and results.overall(name, column) is not None]
        for column in ("normalised_aurc", "auc")
    )
    if chosen in by_error:
        by_error = [chosen, *(name for name in by_error if name != chosen)]
    found: dict[str, Figure | None] = {
        "dice_against_uncertainty": _quadrants(_panels(rows, by_error)),
        "rank_correlations": _correlations(results),
        "scores_in_and_out": _histograms(_panels(rows, by_shift)),
        "risk_coverage": _risk_coverage(rows, by_error[:CURVES]),
        "calibration": _calibration(rows, chosen),
    }
    return {name: figure for name, figure in found.items() if figure is not None}


def _first_seed(rows: Sequence[Scored]) -> tuple[list[Scored], list[Scored]]:
    """Test and unshifted validation rows of the first seed."""
    seed, test = next(iter(by_seed(rows, "test").items()), (0, []))
    return test, unshifted(by_seed(rows, "validation").get(seed, []))


def _panels(rows: Sequence[Scored], names: Sequence[str]) -> list[quadrants.Panel]:
    """Up to four methods whose scores can be normalised."""
    test, reference = _first_seed(rows)
    panels: list[quadrants.Panel] = []
    for name in names:
        cases, validation = Cases.of(test, name).with_dice, Validation.of(Cases.of(reference, name))
        uncertainty = validation.normalised(cases.scores)
        if uncertainty is None or not uncertainty.size or validation.threshold is None:
            continue
        threshold = validation.normalised(np.array([validation.threshold]))
        panels.append(quadrants.Panel(name, cases, uncertainty, None if threshold is None else float(threshold[0])))
    return panels[:PANELS]


def _quadrants(panels: Sequence[quadrants.Panel]) -> "Figure | None":
    return quadrants.draw(panels) if panels else None


def _histograms(panels: Sequence[quadrants.Panel]) -> "Figure | None":
    return histograms.draw(panels) if panels else None


def _correlations(results: Results) -> "Figure | None":
    if not results.families:
        return None
    means = {
        family: {
            name: None if (found := results.of(name, "spearman", family, ALL)) is None else found.mean
            for name in results.methods
        }
        for family in results.families
    }
    macro = {
        name: None if (found := results.overall(name, "spearman")) is None else found.mean for name in results.methods
    }
    return correlations.draw(results.ranked("spearman"), means, macro)


def _risk_coverage(rows: Sequence[Scored], names: Sequence[str]) -> "Figure | None":
    test, _ = _first_seed(rows)
    curves = {}
    for name in (*names, VOLUME):
        cases = Cases.of(test, name).with_dice
        if cases.scores.size:
            curves[name] = (cases.scores, 1 - cases.dice)
    return risk_coverage.draw(curves) if curves else None


def _calibration(rows: Sequence[Scored], chosen: str | None) -> "Figure | None":
    """Rows may hold `<chosen>_failure_probability` and `<chosen>_predicted_dice`; else the score itself is drawn."""
    if chosen is None:
        return None
    test, _ = _first_seed(rows)
    known = [row for row in test if row.dice is not None]
    probable = [(score_of(row, chosen + FAILURE_PROBABILITY), row) for row in known]
    predicted = [(score_of(row, chosen + PREDICTED_DICE), row) for row in known]
    has_probability = any(value is not None for value, _ in probable)
    if not has_probability:
        probable = [(score_of(row, chosen), row) for row in known]
    if all(value is None for value, _ in predicted):
        scores = [(score_of(row, chosen), row) for row in known]
        predicted = [(None if score is None else 1 - score, row) for score, row in scores]
    told = [(value, row) for value, row in probable if value is not None and 0 <= value <= 1]
    drawn = [(value, row) for value, row in predicted if value is not None and 0 <= value <= 1]
    if not told or not drawn:
        return None
    return calibration.draw(
        (np.array([value for value, _ in told]), np.array([is_failed(row) for _, row in told])),
        (
            np.array([value for value, _ in drawn]),
            np.array([row.dice or 0.0 for _, row in drawn]),
            np.array([is_shifted(row) for _, row in drawn]),
        ),
        chosen,
        is_probability=has_probability,
    )
