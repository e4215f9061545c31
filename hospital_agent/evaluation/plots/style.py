"""One look for all figures: colours that colour-blind people tell apart, sizes that read at 900 pixels."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008, without the yellow that vanishes on white; each comes with a marker, for print without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
INSIDE, OUTSIDE, GREY, WARNING = COLOURS[0], COLOURS[1], "#767676", "#F7D9C8"
WIDTH_PX, DPI = 900, 100


def figure(height_px: int) -> "Figure":
    """An empty figure 900 pixels wide; it belongs to nobody's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn


def grid(panels: int, height_px: int = 420) -> "tuple[Figure, list[Axes]]":
    """A figure of one to four panels, two beside each other, and its axes in reading order."""
    columns = min(panels, 2)
    rows = -(-panels // columns)
    drawn = figure(rows * height_px)
    axes = drawn.subplots(rows, columns, squeeze=False).flatten().tolist()
    for empty in axes[panels:]:
        empty.set_axis_off()
    for axis in axes[:panels]:
        plain(axis)
    return drawn, axes[:panels]


def plain(axis: "Axes") -> None:
    """No box, a faint grid behind what is drawn."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#E6E6E6", linewidth=0.8)
    axis.set_axisbelow(True)


def readable(name: str) -> str:
    """A method's or family's name as a person writes it."""
    return name.replace("_", " ")


def save(drawn: "Figure", path: Path) -> None:
    """As PNG with few colours and without the date, so that a repeated run gives the same small file."""
    drawn.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
