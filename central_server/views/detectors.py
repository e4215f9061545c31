"""The site's own change detectors over time."""

from collections.abc import Mapping, Sequence

from central_server.database.tables import DetectorRow
from central_server.views.timeline import Timeline
from shared.read_models import DetectorPoint, DetectorSeries
from shared.report import DetectorState


def series(timeline: Timeline, rows: Mapping[int, Sequence[DetectorRow]]) -> tuple[DetectorSeries, ...]:
    """One series a detector; `rows` by the row id of their report. Windows without a state hold no point."""
    found: dict[tuple[str, str, str], list[DetectorPoint]] = {}
    for slot in timeline.slots:
        for row in rows.get(slot.report.id, ()) if slot.report else ():
            state = DetectorState.model_validate(row.state)
            key = (row.metric, row.kind, row.alternative)
            found.setdefault(key, []).append(DetectorPoint(window=slot.window, state=state))
    return tuple(_one(timeline.site, points) for _, points in sorted(found.items()))


def _one(site: str, points: list[DetectorPoint]) -> DetectorSeries:
    newest = points[-1].state
    return DetectorSeries(
        site=site,
        metric=newest.metric,
        label=newest.label,
        alternative=newest.alternative,
        log_threshold=newest.log_threshold,
        points=tuple(points),
    )
