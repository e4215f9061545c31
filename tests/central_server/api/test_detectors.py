"""The sites' detectors are shown as the sites told them."""

from shared.read_models import DetectorSeries
from tests.central_world import STORIES, World
from tests.report_factory import LOG_THRESHOLD, reports_of

SHIFTED = next(story for story in STORIES if story.drift_from is not None)


def test_each_detector_is_a_series_with_its_threshold(read_world: World) -> None:
    found = [DetectorSeries.model_validate(s) for s in read_world.get(f"/sites/{SHIFTED.site}/detectors").json()]
    told = [report for report in reports_of(SHIFTED) if report.detectors]
    assert len(found) == len(told[0].detectors)
    for series in found:
        assert series.log_threshold == LOG_THRESHOLD
        assert [point.window.index for point in series.points] == [report.window.index for report in told]
    sent = {(d.metric, d.alternative): d for d in told[-1].detectors}
    assert {(s.metric, s.alternative): s.points[-1].state for s in found} == sent


def test_a_site_in_warm_up_has_none(read_world: World) -> None:
    assert read_world.get("/sites/new-clinic/detectors").json() == []
