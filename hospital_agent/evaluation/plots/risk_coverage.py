"""What error is left when the most suspicious cases are set aside, for every share that is kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.evaluation.cases import Floats
from hospital_agent.evaluation.plots.style import COLOURS, GREY, figure, plain, readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)))


def selective_risk(scores: Floats, risk: Floats) -> Floats:
    """(N,) mean risk of the k least suspicious cases, k = 1..N; tied cases each count as their mean."""
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    mean = np.bincount(group, weights=risk) / sizes
    smooth: Floats = np.cumsum(np.repeat(mean, sizes)) / np.arange(1, scores.size + 1)
    return smooth


def draw(scores: Mapping[str, tuple[Floats, Floats]]) -> "Figure":
    """One curve a method, beside the best and the random order.

    Args:
        scores: method -> its (N,) scores, higher is worse, and the (N,) risks, 1 - Dice, of the same cases.
    """
    drawn = figure(520)
    axis = drawn.subplots()
    plain(axis)
    for i, (method, (values, risk)) in enumerate(scores.items()):
        coverage = np.arange(1, values.size + 1) / values.size
        axis.plot(
            coverage,
            selective_risk(values, risk),
            color=COLOURS[i % len(COLOURS)],
            linestyle=STYLES[i % len(STYLES)],
            linewidth=2,
            label=readable(method),
        )
    _, risk = next(iter(scores.values()))
    coverage = np.arange(1, risk.size + 1) / risk.size
    axis.plot(coverage, selective_risk(risk, risk), color="#000000", linewidth=1.2, label="best order there is")
    axis.axhline(float(risk.mean()), color=GREY, linewidth=1.2, linestyle=":", label="random order")
    axis.set_xlim(0, 1)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("coverage: share of cases kept, least suspicious first")
    axis.set_ylabel("mean 1 - Dice of the kept cases")
    axis.legend(fontsize=9, frameon=False)
    return drawn
