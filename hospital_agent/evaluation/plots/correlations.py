"""How well each method orders the cases by error, family by family: a dot plot over methods."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hospital_agent.evaluation.plots.style import COLOURS, GREY, MARKERS, figure, plain, readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(
    methods: Sequence[str],
    per_family: Mapping[str, Mapping[str, float | None]],
    macro: Mapping[str, float | None],
) -> "Figure":
    """Best method on top.

    Args:
        methods: names, best first.
        per_family: family -> method -> Spearman of score and 1 - Dice.
        macro: method -> mean over families.
    """
    drawn = figure(150 + 26 * len(methods))
    axis = drawn.subplots()
    plain(axis)
    rows = {method: len(methods) - 1 - i for i, method in enumerate(methods)}
    for i, (family, values) in enumerate(per_family.items()):
        known = {rows[method]: value for method, value in values.items() if value is not None and method in rows}
        axis.scatter(
            list(known.values()),
            list(known),
            s=32,
            c=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            alpha=0.8,
            linewidths=0,
            label=readable(family),
        )
    known = {rows[method]: value for method, value in macro.items() if value is not None and method in rows}
    axis.scatter(list(known.values()), list(known), s=180, c="#000000", marker="|", linewidths=2.5, label="macro mean")
    axis.axvline(0, color=GREY, linewidth=1)
    axis.set_yticks(list(rows.values()), [readable(method) for method in rows])
    axis.set_ylim(-0.7, len(methods) - 0.3)
    axis.set_xlabel("Spearman correlation of score and 1 - Dice (1 orders the cases perfectly)")
    drawn.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return drawn
