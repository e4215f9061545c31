"""Rows of different lengths in one table: what a case showed in several layers, or in several classes of them.

Layers have different numbers of channels, and `OodScore.observe` gives one rectangular array. A row of such a table is

    [label, layer, length, v_1, ..., v_length, 0, ..., 0]

with the predicted class (0 where the row is of no class), the number of the layer from the input on, and how many of
the numbers after it are values; the rest is filled up with zeros.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.ood.moments import Float64Array, feature_rows

HEAD = 3


@dataclass(frozen=True, eq=False)
class Entry:
    """One row: values (C,) seen in a layer, where a class was predicted."""

    label: int
    layer: int
    values: Float64Array


def table_of(entries: Sequence[Entry]) -> Float64Array:
    """(N, 3 + longest) table of at least one entry."""
    table = np.zeros((len(entries), HEAD + max(entry.values.size for entry in entries)))
    for row, entry in zip(table, entries, strict=True):
        row[:HEAD] = entry.label, entry.layer, entry.values.size
        row[HEAD : HEAD + entry.values.size] = entry.values
    return table


def entries_of(table: Float64Array) -> list[Entry]:
    """The entries of a table.

    Raises:
        FeatureShapeError: not such a table.
        AnalysisError: a value is not a finite number.
    """
    rows = feature_rows(table)
    if rows.shape[1] <= HEAD or not (rows[:, 2] <= rows.shape[1] - HEAD).all():
        raise FeatureShapeError(f"A table of layers does not have {rows.shape[1]} columns.")
    return [Entry(int(row[0]), int(row[1]), row[HEAD : HEAD + int(row[2])]) for row in rows]


def layer_widths(entries: Iterable[Entry]) -> dict[int, int]:
    """Number of each layer -> how many channels it has, in order.

    Raises:
        FeatureShapeError: one layer has different numbers of channels in different cases.
    """
    widths: dict[int, int] = {}
    for entry in entries:
        if widths.setdefault(entry.layer, entry.values.size) != entry.values.size:
            raise FeatureShapeError(
                f"Layer {entry.layer} has {widths[entry.layer]} channels in one case, {entry.values.size} in another."
            )
    return dict(sorted(widths.items()))


def check_layers(entries: Iterable[Entry], widths: dict[int, int]) -> None:
    """That entries are of the fitted layers.

    Raises:
        FeatureShapeError: a layer is missing, was not there at the fit, or has another number of channels.
    """
    found = layer_widths(entries)
    if found != widths:
        raise FeatureShapeError(
            f"The reference has layers of {list(widths.values())} channels and this case {list(found.values())}."
        )
