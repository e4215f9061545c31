"""A Plotly figure put together as plain data.

Plotly's own builder checks each value against its schema whenever anything is added, which takes 30 to 40 ms a chart;
a site's page holds some twenty charts. Here a figure is the dictionary that the browser receives anyway (1 ms), and
the tests put every figure of the dashboard through Plotly's check instead.
"""

from typing import Any, Self

from dashboard.theme import TEMPLATE

Figure = dict[str, Any]
"""A figure in Plotly's schema: `data` (traces) and `layout`."""


class Chart:
    """A figure under construction; the methods are named as those of `plotly.graph_objects.Figure`."""

    def __init__(self) -> None:
        self._traces: list[dict[str, Any]] = []
        self._layout: dict[str, Any] = {"template": TEMPLATE, "xaxis": {}, "yaxis": {}, "shapes": [], "annotations": []}

    def add_scatter(self, **trace: Any) -> Self:
        """Add points or lines."""
        self._traces.append({"type": "scatter", **trace})
        return self

    def add_bar(self, **trace: Any) -> Self:
        """Add bars."""
        self._traces.append({"type": "bar", **trace})
        return self

    def add_shape(self, **shape: Any) -> Self:
        """Add a line or a rectangle."""
        self._layout["shapes"].append(shape)
        return self

    def add_hline(self, y: float, line: dict[str, Any]) -> Self:
        """Add a line across the whole width."""
        return self.add_shape(type="line", xref="paper", x0=0, x1=1, y0=y, y1=y, line=line)

    def add_annotation(self, **annotation: Any) -> Self:
        """Add a text."""
        self._layout["annotations"].append({"showarrow": False, **annotation})
        return self

    def update_layout(self, **settings: Any) -> Self:
        """Set properties of the layout."""
        self._layout.update(settings)
        return self

    def update_xaxes(self, *, title: str | None = None, **settings: Any) -> Self:
        """Set properties of the horizontal axis."""
        return self._axis("xaxis", title, settings)

    def update_yaxes(self, *, title: str | None = None, **settings: Any) -> Self:
        """Set properties of the vertical axis."""
        return self._axis("yaxis", title, settings)

    def _axis(self, name: str, title: str | None, settings: dict[str, Any]) -> Self:
        self._layout[name].update(settings)
        if title is not None:
            self._layout[name]["title"] = {"text": title}
        return self

    def done(self) -> Figure:
        """The figure."""
        return {"data": self._traces, "layout": self._layout}
