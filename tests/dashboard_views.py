"""Reading what the dashboard made: the words of a component, its parts, and figures put through Plotly's own check."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import plotly.graph_objects as go
from dash.development.base_component import Component

from shared.quantities import linear_cuts
from shared.read_models import MetricInfo, MetricPoint, MetricSeries, Quantiles
from shared.report import CountBand, Window, WireHistogram
from shared.summaries import Histogram

START = datetime(2026, 11, 2, tzinfo=UTC)
INFO = MetricInfo(name="predicted_dice", label="Predicted Dice", unit="Dice", direction="higher_is_better", version=1)
CUTS = linear_cuts(0, 1)


def parts(component: object) -> Iterator[Any]:
    """The component and everything inside it, in reading order."""
    if isinstance(component, (list, tuple)):
        for child in component:
            yield from parts(child)
    elif isinstance(component, Component):
        yield component
        yield from parts(getattr(component, "children", None))
    elif component is not None:
        yield component


def words(component: object) -> str:
    """All that a person reads, in order."""
    return " ".join(str(part) for part in parts(component) if not isinstance(part, Component))


def of_kind(component: object, kind: str) -> list[Any]:
    """The parts of one kind, e.g. `Graph`."""
    return [part for part in parts(component) if type(part).__name__ == kind]


def checked(figure: dict[str, Any]) -> go.Figure:
    """The figure as Plotly understands it; raises where a property is not of Plotly's schema."""
    return go.Figure(figure)


def trace(figure: dict[str, Any], name_begins: str) -> Any:
    """The one trace whose name begins so."""
    (found,) = [t for t in checked(figure).data if (t.name or "").startswith(name_begins)]
    return found


def window(index: int, days: float = 1) -> Window:
    """A window of some days, on the hour."""
    start = START + timedelta(days=index * days)
    return Window(index=index, start_at=start, end_at=start + timedelta(days=days))


def point(index: int, values: list[float] | None = None, answer: str = "ok", baseline: int | None = 1) -> MetricPoint:
    """A window of a quantity; `values` are counted on 8 bins, and the percentiles are told as they were given."""
    histogram = Histogram.of(values, CUTS).coarsen(8) if values else None
    ordered = sorted(values or [])
    known = Quantiles(p10=ordered[0], p50=ordered[len(ordered) // 2], p90=ordered[-1]) if ordered else None
    return MetricPoint(
        report_id=UUID(int=index),
        window=window(index),
        answer=answer,
        n=len(ordered) if ordered else None,
        undefined=CountBand.exactly(0) if ordered else None,
        histogram=WireHistogram.wrap(histogram) if histogram else None,
        quantiles=known,
        baseline_version=baseline,
    )


def series(points: list[MetricPoint], baseline: MetricPoint | None = None, info: MetricInfo = INFO) -> MetricSeries:
    """A quantity over time, with one baseline or none."""
    return MetricSeries(
        site="north-clinic", metric=info, stratum="all", baseline=baseline, points=tuple(points),
        baselines=(baseline,) if baseline else (),
    )  # fmt: skip
