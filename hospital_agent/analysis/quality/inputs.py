"""What a quality model looks at: names from the registries, each on the scale on which a linear model can use it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality import Scores

Float64Array = NDArray[np.float64]
Group = Literal["features", "uncertainty", "ood"]

FARTHEST = 5.0  # SDs: beyond what training has shown a linear model must not extrapolate without end


@dataclass(frozen=True)
class QualityInput:
    """One named value and its scale.

    Args:
        name: as in the registries, or `<score>_log10` for OOD scores.
        group: which part of the analysis it comes from.
        log_offset: None takes the value as it is; a number takes log10(offset + value), for what spans decades.
    """

    name: str
    group: Group
    log_offset: float | None = None

    def scaled(self, value: float | None) -> float:
        """The value on its scale; NaN where it is undefined, to be imputed by `Encoding` and nowhere else."""
        if value is None or not math.isfinite(value):
            return math.nan
        if self.log_offset is None:
            return float(value)
        return math.log10(self.log_offset + max(value, 0.0))


DEFAULT_INPUTS: tuple[QualityInput, ...] = (
    # Volume and counts span decades: twice the volume means the same at 1 ml and at 100 ml.
    QualityInput("lesion_volume_ml", "features", log_offset=0.01),
    QualityInput("component_count", "features", log_offset=1.0),
    QualityInput("fragment_count", "features", log_offset=1.0),
    # HU, Dice and fractions are bounded and near linear.
    QualityInput("intensity_mode_hu", "features"),
    QualityInput("intensity_spread_hu", "features"),
    QualityInput("smoothness_5mm", "features"),  # the one that slice thickness does not move
    QualityInput("lesion_in_lungs", "features"),
    QualityInput("largest_component_fraction", "features"),
    QualityInput("border_touch_fraction", "features"),
    QualityInput("hole_fraction", "features"),
    QualityInput("left_right_balance", "features"),
    # Averages over a whole image are small and follow the lesion's size over decades; inside the foreground not.
    QualityInput("max_softmax", "uncertainty", log_offset=1e-6),
    QualityInput("mean_entropy", "uncertainty", log_offset=1e-6),
    QualityInput("mean_entropy_away_from_boundary", "uncertainty", log_offset=1e-6),
    QualityInput("mean_entropy_foreground", "uncertainty"),
    QualityInput("soft_dice_confidence", "uncertainty"),
    # Already a logarithm, 0 at the median of validation.
    QualityInput("mahalanobis_log10", "ood"),
)


def scaled_table(rows: Sequence[Scores], inputs: Sequence[QualityInput]) -> Float64Array:
    """(rows, inputs) values on their scales; NaN marks an undefined one."""
    return np.array([[item.scaled(row.get(item.name)) for item in inputs] for row in rows], dtype=np.float64).reshape(
        len(rows), len(inputs)
    )


@dataclass(frozen=True)
class Encoding:
    """From named values to the standardised columns of a linear model, as training saw them.

    An undefined value becomes the training median, and a column of its own says that it was undefined, where
    training had such cases to learn from. Columns are standardised and cut off at 5 SD. Inputs that were never
    defined or never varied in training are left out.

    Args:
        inputs: the inputs that are used, in order.
        medians, means, deviations: of each input on its scale; deviations > 0.
        indicators: for each input (mean, deviation) of its indicator, or None where training never missed it.
    """

    inputs: tuple[QualityInput, ...]
    medians: tuple[float, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    indicators: tuple[tuple[float, float] | None, ...]

    @classmethod
    def fit(cls, table: Float64Array, inputs: Sequence[QualityInput]) -> Self:
        """Learn medians and scales from `scaled_table` rows of training cases."""
        known = ~np.isnan(table)
        used = [i for i in range(len(inputs)) if np.unique(table[known[:, i], i]).size > 1]
        medians = [float(np.median(table[known[:, i], i])) for i in used]
        filled = np.where(known[:, used], table[:, used], medians)
        missing = 1.0 - known[:, used]
        return cls(
            inputs=tuple(inputs[i] for i in used),
            medians=tuple(medians),
            means=tuple(filled.mean(axis=0).tolist()),
            deviations=tuple(filled.std(axis=0).tolist()),
            indicators=tuple(
                (float(column.mean()), float(column.std())) if column.any() else None for column in missing.T
            ),
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """The input to which each column belongs: first the values, then the indicators."""
        names = [item.name for item in self.inputs]
        return (*names, *(name for name, kept in zip(names, self.indicators, strict=True) if kept is not None))

    def columns(self, table: Float64Array) -> Float64Array:
        """(N, columns) standardised values, all finite, in [-5, 5], of a `scaled_table` of these inputs."""
        missing = np.isnan(table)
        farthest = FARTHEST * np.asarray(self.deviations)
        offsets = np.where(missing, self.medians, table) - self.means
        values = np.clip(offsets, -farthest, farthest) / self.deviations
        kept = [i for i, scale in enumerate(self.indicators) if scale is not None]
        scales = np.array([scale for scale in self.indicators if scale is not None]).reshape(-1, 2)
        told = (missing[:, kept] - scales[:, 0]) / scales[:, 1]
        columns: Float64Array = np.clip(np.hstack([values, told]), -FARTHEST, FARTHEST)
        return columns

    def encode(self, rows: Sequence[Scores]) -> Float64Array:
        """(N, columns) from named values."""
        return self.columns(scaled_table(rows, self.inputs))

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "inputs": [{"name": i.name, "group": i.group, "log_offset": i.log_offset} for i in self.inputs],
            "medians": list(self.medians),
            "means": list(self.means),
            "deviations": list(self.deviations),
            "indicators": [None if scale is None else list(scale) for scale in self.indicators],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The encoding again; a wrong shape raises KeyError, TypeError or ValueError."""
        encoding = cls(
            inputs=tuple(QualityInput(**item) for item in data["inputs"]),
            medians=tuple(map(float, data["medians"])),
            means=tuple(map(float, data["means"])),
            deviations=tuple(map(float, data["deviations"])),
            indicators=tuple(None if s is None else (float(s[0]), float(s[1])) for s in data["indicators"]),
        )
        lengths = {len(part) for part in (encoding.inputs, encoding.medians, encoding.means, encoding.deviations)}
        if lengths != {len(encoding.indicators)} or not all(d > 0 for d in encoding.deviations):
            raise ValueError("The parts of an encoding do not belong together.")
        return encoding
