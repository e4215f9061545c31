"""Dice against uncertainty, cut into four: the lower left is what the product exists to catch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.evaluation.cases import Cases, Flags, Floats
from hospital_agent.evaluation.plots.style import GREY, INSIDE, OUTSIDE, WARNING, grid, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


CORNERS = {
    (True, True): (0.0, 0.02),
    (True, False): (0.0, 1.06),
    (False, True): (1.0, 0.02),
    (False, False): (1.0, 1.06),
}


@dataclass(frozen=True, eq=False)
class Panel:
    """One method on the test cases of one seed.

    Args:
        method: its name.
        cases: with a known Dice.
        uncertainty: (N,) of the cases, normalised to [0, 1].
        threshold: normalised as well; None where validation gives none.
    """

    method: str
    cases: Cases
    uncertainty: Floats
    threshold: float | None

    @property
    def admitted(self) -> Flags:
        """(N,) at or below the threshold; all where there is none."""
        if self.threshold is None:
            return np.ones(self.uncertainty.shape, dtype=np.bool_)
        below: Flags = self.uncertainty <= self.threshold
        return below

    def count(self, *, admitted: bool, failed: bool) -> int:
        """Cases of one quadrant; admitted and failed are the silent failures: bad masks that nothing flagged."""
        return int(np.count_nonzero((self.admitted == admitted) & (self.cases.failed == failed)))


def draw(panels: Sequence[Panel]) -> "Figure":
    """One panel a method, unshifted and shifted cases apart; in the corners how many lie in each quadrant."""
    drawn, axes = grid(len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        _panel(axis, panel)
    handles, labels = axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=10, frameon=False)
    return drawn


def _panel(axis: "Axes", panel: Panel) -> None:
    cases = panel.cases
    if panel.threshold is not None:
        axis.fill_between([-0.03, panel.threshold], -0.03, FAILED_BELOW_DICE, color=WARNING, zorder=0, linewidth=0)
        axis.axvline(panel.threshold, color=GREY, linewidth=1.2)
    axis.axhline(FAILED_BELOW_DICE, color=GREY, linewidth=1.2, linestyle="--")
    for which, colour, marker, label in (
        (cases.shifted, OUTSIDE, "^", "shifted"),
        (~cases.shifted, INSIDE, "o", "unshifted"),
    ):
        axis.scatter(
            panel.uncertainty[which],
            cases.dice[which],
            s=22,
            c=colour,
            marker=marker,
            alpha=0.6,
            linewidths=0,
            label=label,
        )
    for (admitted, failed), (x, y) in CORNERS.items():
        side = "left" if admitted else "right"
        axis.text(
            x, y, str(panel.count(admitted=admitted, failed=failed)), ha=side, va="center", color=GREY, weight="bold"
        )
    silent, failures = panel.count(admitted=True, failed=True), int(cases.failed.sum())
    axis.set_title(f"{readable(panel.method)}: {silent} silent of {failures} failures", fontsize=11, loc="left")
    axis.set_xlim(-0.03, 1.03)
    axis.set_ylim(-0.03, 1.09)
    axis.set_xlabel("normalised uncertainty (line: 95 % of validation below)")
    axis.set_ylabel("Dice (dashed: 0.6)")
