"""Colours, type and the look of every chart, in one place.

The palette keeps to hues that people with any common colour blindness tell apart (blue, vermillion, amber, bluish
green, purple after Okabe and Ito), dark enough on white for text. Colour never stands alone: a word, an icon or a
line style says the same.
"""

from typing import Any, Literal

Tone = Literal["critical", "silent", "warning", "info", "quiet", "fine"]

INK = "#1B2733"
MUTED = "#5A6877"
LINE = "#E1E7ED"
PAPER = "#FFFFFF"

CURRENT = "#0B5CAD"
CURRENT_SOFT = "rgba(11, 92, 173, 0.20)"
BASELINE = "#7A8794"
BASELINE_SOFT = "rgba(122, 135, 148, 0.20)"
ALARM = "#C2410C"
CHANCE = "#B8A04A"
CHANCE_SOFT = "rgba(184, 160, 74, 0.28)"
HATCH = "#B4BEC8"
HIGHLIGHTS = ("#0B5CAD", "#A13D7E", "#00704F", "#8A5A00")
"""Lines picked out of many; told apart by their labels too."""

FONT = '"Inter Variable", system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'

MANTINE_THEME: dict[str, Any] = {
    "fontFamily": FONT,
    "fontFamilyMonospace": 'ui-monospace, "SF Mono", "Liberation Mono", Menlo, monospace',
    "headings": {"fontFamily": FONT, "fontWeight": "650"},
    "primaryColor": "blue",
    "primaryShade": 8,
    "defaultRadius": "md",
    "cursorType": "pointer",
    "black": INK,
}

TEMPLATE: dict[str, Any] = {
    "layout": {
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "colorway": list(HIGHLIGHTS),
        "margin": {"l": 48, "r": 12, "t": 8, "b": 32},
        "hovermode": "closest",
        "hoverdistance": 40,
        "hoverlabel": {
            "bgcolor": PAPER,
            "bordercolor": LINE,
            "font": {"family": FONT, "size": 12, "color": INK},
            "align": "left",
        },
        "xaxis": {
            "gridcolor": LINE,
            "linecolor": "#C7D0D9",
            "showline": True,
            "zeroline": False,
            "ticks": "outside",
            "tickcolor": "#C7D0D9",
            "ticklen": 4,
            "tickfont": {"color": MUTED, "size": 11},
            "title": {"font": {"color": MUTED, "size": 12}},
            "showgrid": False,
            "automargin": True,
        },
        "yaxis": {
            "gridcolor": LINE,
            "zeroline": False,
            "tickfont": {"color": MUTED, "size": 11},
            "title": {"font": {"color": MUTED, "size": 12}, "standoff": 8},
            "automargin": True,
        },
        "legend": {
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "xanchor": "left",
            "x": 0,
            "font": {"size": 11, "color": MUTED},
            "itemclick": False,
            "itemdoubleclick": False,
        },
    }
}

GRAPH_CONFIG: Any = {"displaylogo": False, "displayModeBar": False, "responsive": True, "scrollZoom": False}
