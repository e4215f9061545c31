"""How a method's scores lie for images as they are and for shifted ones."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.evaluation.plots.style import GREY, INSIDE, OUTSIDE, grid, readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hospital_agent.evaluation.plots.quadrants import Panel

BINS = 20


def draw(panels: "Sequence[Panel]") -> "Figure":
    """Shares of the unshifted and of the shifted cases per bin of the normalised score, one panel a method."""
    drawn, axes = grid(len(panels), height_px=330)
    edges = np.linspace(0, 1, BINS + 1)
    for axis, panel in zip(axes, panels, strict=True):
        shifted = panel.cases.shifted
        for which, colour, label, hatch in ((~shifted, INSIDE, "unshifted", ""), (shifted, OUTSIDE, "shifted", "///")):
            counts, _ = np.histogram(panel.uncertainty[which], edges)
            share = counts / max(int(which.sum()), 1)
            axis.stairs(share, edges, color=colour, fill=True, alpha=0.35, hatch=hatch)
            axis.stairs(share, edges, color=colour, linewidth=1.8, label=f"{label} (n = {int(which.sum())})")
        if panel.threshold is not None:
            axis.axvline(panel.threshold, color=GREY, linewidth=1.2)
        axis.set_title(readable(panel.method), fontsize=11, loc="left")
        axis.set_xlabel("normalised score (line: 95 % of validation below)")
        axis.set_ylabel("share of cases")
        axis.legend(fontsize=9, frameon=False)
    return drawn
