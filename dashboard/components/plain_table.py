"""A table of words and numbers; on a narrow screen each row becomes a card whose lines name their column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard.components.basics import Children, aria


@dataclass(frozen=True)
class Row:
    """The cells in the order of the columns; what is over steps back, what is chosen is marked."""

    cells: Sequence[Children]
    is_over: bool = False
    is_chosen: bool = False


def plain_table(label: str, columns: Sequence[str], rows: Sequence[Row]) -> Component:
    """The table; `label` is what screen readers call it. The first column names the row."""
    head = html.Thead(html.Tr([html.Th(column, scope="col") for column in columns]))
    body = html.Tbody([_row(columns, row) for row in rows])
    return html.Table([head, body], className="plain-table", **aria(label=label))


def _row(columns: Sequence[str], row: Row) -> Component:
    marked = aria(current="true") if row.is_chosen else {}
    look = "row-chosen" if row.is_chosen else "row-over" if row.is_over else ""
    return html.Tr(_cells(columns, row), className=look, **marked)


def _cells(columns: Sequence[str], row: Row) -> list[Component]:
    made: list[Component] = []
    for column, content in zip(columns, row.cells, strict=True):
        named: dict[str, Any] = {"data-label": column}
        child = html.Div(list(content) if isinstance(content, (list, tuple)) else content)
        made.append(html.Td(child, **named) if made else html.Th(child, scope="row", **named))
    return made
