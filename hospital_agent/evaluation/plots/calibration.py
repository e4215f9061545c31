"""Whether a predicted failure probability means what it says, and a predicted Dice is the Dice."""

from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.evaluation.cases import Flags, Floats
from hospital_agent.evaluation.plots.style import COLOURS, GREY, INSIDE, OUTSIDE, figure, plain, readable
from shared.statistics.intervals import clopper_pearson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 5


def draw(
    probability: tuple[Floats, Flags], predicted: tuple[Floats, Floats, Flags], name: str, *, is_probability: bool
) -> "Figure":
    """Two panels: failures by what was said of them, and Dice by predicted Dice.

    Args:
        probability: (N,) in [0, 1], and whether the case failed.
        predicted: (M,) predicted Dice, the Dice, and whether the image was shifted.
        name: of the method that predicts.
        is_probability: False where the score itself stands in for a probability (and 1 - score for a predicted Dice),
            so that the diagonal is no promise.
    """
    drawn = figure(460)
    left, right = drawn.subplots(1, 2)
    for axis in (left, right):
        plain(axis)
        axis.set_xlim(-0.03, 1.03)
        axis.set_ylim(-0.03, 1.03)
    if is_probability:
        left.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle="--")
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle="--")
    _reliability(left, *probability)
    left.set_title(f"{readable(name)}: {'failure probability' if is_probability else 'score'}", fontsize=11, loc="left")
    left.set_xlabel(f"{'predicted probability of failure' if is_probability else 'score'} (numbers: cases)")
    _predicted_dice(right, *predicted)
    right.set_xlabel("predicted Dice" if is_probability else "1 - score")
    return drawn


def _reliability(axis: "Axes", probability: Floats, failed: Flags) -> None:
    """Observed share of failures, with its exact 95 % interval, in bins of equal width."""
    place = np.minimum((probability * BINS).astype(np.intp), BINS - 1)
    for one in np.unique(place):
        inside = place == one
        n, hits = int(inside.sum()), int(failed[inside].sum())
        low, high = clopper_pearson(hits, n)
        x, y = float(probability[inside].mean()), hits / n
        bars = [[y - low], [high - y]]
        axis.errorbar([x], [y], yerr=bars, color=COLOURS[0], marker="o", markersize=6, capsize=4, linewidth=1.5)
        axis.annotate(f"{n}", (x, y), xytext=(7, -4), textcoords="offset points", fontsize=9, color=GREY)
    axis.set_ylabel("observed share of failures, 95 % interval")


def _predicted_dice(axis: "Axes", predicted: Floats, dice: Floats, shifted: Flags) -> None:
    for which, colour, marker, label in ((shifted, OUTSIDE, "^", "shifted"), (~shifted, INSIDE, "o", "unshifted")):
        axis.scatter(predicted[which], dice[which], s=22, c=colour, marker=marker, alpha=0.6, linewidths=0, label=label)
    error = float(np.abs(predicted - dice).mean())
    axis.set_title(f"mean absolute error {error:.3f}", fontsize=11, loc="left")
    axis.set_ylabel("Dice")
    axis.legend(fontsize=9, frameon=False, loc="upper left")
