"""A quantity over time: what is not a number says which of the other answers it is."""

import csv
import io

import pytest

from shared.read_models import MetricInfo, MetricPoint, MetricSeries
from shared.report import SiteReport, report_id_for
from tests.central_world import READING_TOKEN, STORIES, World
from tests.report_factory import STREAMS, SiteStory, reports_of

ISLAND = next(story for story in STORIES if story.site == "island-hospital")


def series(world: World, site: str, metric: str, **query: str) -> MetricSeries:
    return MetricSeries.model_validate_json(world.get(f"/sites/{site}/metrics/{metric}", **query).content)


def test_the_list_describes_each_quantity_as_the_site_does(read_world: World) -> None:
    listed = [MetricInfo.model_validate(item) for item in read_world.get("/sites/north-clinic/metrics").json()]
    assert [info.name for info in listed] == sorted(stream.quantity.name for stream in STREAMS)
    dice = next(info for info in listed if info.name == "predicted_dice")
    assert (dice.label, dice.unit, dice.direction, dice.version) == ("Predicted Dice", "Dice", "higher_is_better", 1)


def test_every_window_tells_what_the_site_released(read_world: World) -> None:
    sent = {r.report_id: r for r in reports_of(ISLAND) if r.kind == "window"}
    for point in series(read_world, ISLAND.site, "lesion_volume_ml").points:
        report = sent[point.report_id]
        summary = next((m for m in report.metrics if m.name == "lesion_volume_ml"), None)
        assert point.window == report.window
        if report.status == "suppressed":
            assert point.answer == "suppressed"
        elif summary is None or summary.histogram is None:
            assert point.answer == "withheld"
        else:
            assert point.answer == "ok"
            assert point.histogram == summary.histogram
            assert point.n == sum(summary.histogram.counts)
            assert point.undefined == summary.undefined


def test_suppressed_and_withheld_hold_no_number(read_world: World) -> None:
    points = series(read_world, ISLAND.site, "component_count").points
    assert {point.answer for point in points} == {"withheld", "suppressed"}
    for point in points:
        assert (point.n, point.histogram, point.quantiles, point.undefined) == (None, None, None, None)


def test_quantiles_are_in_order_and_inside_the_cuts(read_world: World) -> None:
    for point in series(read_world, "north-clinic", "mean_entropy").points:
        assert point.quantiles is not None
        assert point.histogram is not None
        assert point.histogram.cuts[0] <= point.quantiles.p10 <= point.quantiles.p50
        assert point.quantiles.p50 <= point.quantiles.p90 <= point.histogram.cuts[-1]


def test_the_baseline_stands_beside_it(read_world: World) -> None:
    baseline = series(read_world, "north-clinic", "mean_entropy").baseline
    sent = next(r for r in reports_of(STORIES[0]) if r.kind == "baseline" and r.stratum == "all")
    assert baseline is not None
    assert baseline.report_id == sent.report_id
    assert series(read_world, "new-clinic", "mean_entropy").baseline is None


def test_a_stratum_is_a_series_of_its_own(read_world: World) -> None:
    whole = series(read_world, "north-clinic", "mean_entropy")
    part = series(read_world, "north-clinic", "mean_entropy", stratum="manufacturer=siemens")
    assert part.stratum == "manufacturer=siemens"
    assert len(part.points) == len(whole.points)
    for of_part, of_whole in zip(part.points, whole.points, strict=True):
        assert (of_part.n or 0) < (of_whole.n or 0)
    absent = series(read_world, "north-clinic", "mean_entropy", stratum="manufacturer=ge")
    assert {point.answer for point in absent.points} == {"missing"}


def test_a_lost_report_leaves_a_window_that_says_missing(world: World) -> None:
    told = reports_of(SiteStory("north-clinic", windows=6))
    world.add_site("north-clinic")
    world.take_in(report for report in told if report.window.index not in (2, 3))
    points = series(world, "north-clinic", "mean_entropy").points
    assert [point.window.index for point in points] == [0, 1, 2, 3, 4, 5]
    assert [point.answer for point in points] == ["ok", "ok", "missing", "missing", "ok", "ok"]
    assert points[2].window == told[2].window
    assert points[2].report_id == told[2].report_id


def test_late_reports_take_their_place_by_window_and_not_by_arrival(world: World) -> None:
    told = reports_of(SiteStory("north-clinic", windows=4))
    world.add_site("north-clinic")
    world.take_in([told[3], told[0], told[2], told[1]])
    assert [p.window.index for p in series(world, "north-clinic", "mean_entropy").points] == [0, 1, 2, 3]


@pytest.mark.parametrize("late", [False, True])
def test_another_version_of_a_quantity_is_never_put_into_one_series(world: World, late: bool) -> None:
    """The version of the latest window is shown, also where a window of the older one arrives after it."""
    old, new = reports_of(SiteStory("north-clinic", windows=2))
    metrics = tuple(m.model_copy(update={"version": 2}) for m in new.metrics)
    told = [old, new.model_copy(update={"metrics": metrics})]
    world.add_site("north-clinic")
    world.take_in(reversed(told) if late else told)
    found = series(world, "north-clinic", "mean_entropy")
    assert found.metric.version == 2
    assert [point.answer for point in found.points] == ["missing", "ok"]
    listed = world.get("/sites/north-clinic/metrics").json()
    assert {info["version"] for info in listed} == {2}
    assert [info["name"] for info in listed] == sorted(m.name for m in metrics)


def test_after_a_return_to_an_older_model_its_baseline_is_in_force_again(world: World) -> None:
    told = reports_of(SiteStory("north-clinic", windows=8, warm_up=4))
    first = next(r for r in told if r.kind == "baseline")
    window = first.window.model_copy(update={"index": 6})
    second_id = report_id_for("north-clinic", "baseline", 6, "all", 0, 2)
    versions = first.versions.model_copy(update={"baseline": 2})
    second = first.model_copy(update={"window": window, "report_id": second_id, "versions": versions})
    world.add_site("north-clinic")
    world.take_in([*told[:-1], second, told[-1]])
    found = series(world, "north-clinic", "mean_entropy").baseline
    assert found is not None
    assert found.report_id == first.report_id
    shown = world.get("/sites/north-clinic").json()["overview"]["baseline"]
    assert shown["version"] == 1


def under_a_new_model() -> list[SiteReport]:
    """Windows 0 to 6 and baseline 1 under the old model, 7 and 8 without a baseline, baseline 2, then window 9."""
    told = reports_of(SiteStory("north-clinic", windows=10, warm_up=4))

    def under(report: SiteReport, version: int | None) -> SiteReport:
        return report.model_copy(update={"versions": report.versions.model_copy(update={"baseline": version})})

    windows = [report for report in told if report.kind == "window"]
    first = next(report for report in told if report.kind == "baseline")
    span = windows[8].window.model_copy(update={"start_at": windows[7].window.start_at})
    place = {"window": span, "report_id": report_id_for("north-clinic", "baseline", 8, "all", 0, 2)}
    second = under(first, 2).model_copy(update=place)
    return [
        *told[:8], under(windows[7], None), under(windows[8], None), second, under(windows[9], 2),
    ]  # fmt: skip


def versions(points: tuple[MetricPoint, ...]) -> list[int | None]:
    return [point.baseline_version for point in points]


def test_while_a_new_model_warms_up_no_older_baseline_is_in_force(world: World) -> None:
    world.add_site("north-clinic")
    world.take_in(under_a_new_model()[:10])
    found = series(world, "north-clinic", "mean_entropy")
    shown = world.get("/sites/north-clinic").json()["overview"]
    assert (found.baseline, shown["baseline"], shown["state"]) == (None, None, "warming_up")
    assert world.get("/sites/north-clinic/rates").json()["baseline_flagged_rate"] is None
    assert versions(found.points) == [None] * 4 + [1] * 3 + [None] * 2
    assert versions(found.baselines) == [1]


def test_every_window_finds_the_baseline_that_it_was_compared_with(world: World) -> None:
    told = under_a_new_model()
    world.add_site("north-clinic")
    world.take_in(told)
    found = series(world, "north-clinic", "mean_entropy")
    assert versions(found.points) == [None] * 4 + [1] * 3 + [None] * 2 + [2]
    assert [point.report_id for point in found.baselines] == [r.report_id for r in told if r.kind == "baseline"]
    assert found.baseline == found.baselines[1]
    csv_text = world.get("/sites/north-clinic/metrics/mean_entropy", format="csv").text
    lines = [(line["part"], line["baseline_version"]) for line in csv.DictReader(io.StringIO(csv_text))]
    windows = ["none"] * 4 + ["1"] * 3 + ["none"] * 2 + ["2"]
    assert lines == [("baseline", "1"), ("baseline", "2"), *(("window", version) for version in windows)]


def test_a_frozen_baseline_is_in_force_before_the_first_window_that_names_it(world: World) -> None:
    world.add_site("north-clinic")
    world.take_in(under_a_new_model()[:11])
    found = series(world, "north-clinic", "mean_entropy")
    assert found.baseline is not None
    assert found.baseline.baseline_version == 2
    assert versions(found.baselines) == [1, 2]


def test_a_baseline_that_never_came_is_not_replaced_by_an_older_one(world: World) -> None:
    told = under_a_new_model()
    world.add_site("north-clinic")
    world.take_in([*told[:10], told[11]])
    found = series(world, "north-clinic", "mean_entropy")
    shown = world.get("/sites/north-clinic").json()["overview"]
    assert (found.baseline, shown["baseline"], shown["state"]) == (None, None, "ok")
    assert (found.points[-1].baseline_version, versions(found.baselines)) == (2, [1])


def test_a_quantity_that_was_never_reported_answers_404(read_world: World) -> None:
    assert read_world.get("/sites/north-clinic/metrics/no_such_thing").status_code == 404


@pytest.mark.parametrize("how", [{"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
def test_csv_has_words_where_there_is_no_number(read_world: World, how: dict[str, dict[str, str]]) -> None:
    headers = {"Authorization": f"Bearer {READING_TOKEN}", **how.get("headers", {})}
    answer = read_world.client.get(
        f"/api/v1/sites/{ISLAND.site}/metrics/mean_entropy", params=how.get("params"), headers=headers
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [line["part"] for line in lines] == ["baseline"] + ["window"] * 12
    hidden = [line for line in lines if line["answer"] == "suppressed"]
    assert [line["window_index"] for line in hidden] == ["7", "11"]
    for line in hidden:
        assert {line[c] for c in ("n", "undefined", "p10", "p50", "p90", "cuts", "counts")} == {"suppressed"}
    told = next(line for line in lines if line["window_index"] == "8" and line["part"] == "window")
    assert sum(map(int, told["counts"].split())) == int(told["n"])


def test_an_answer_is_not_sent_twice_until_a_report_arrives(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=2))
    path = "/api/v1/sites/north-clinic/metrics/mean_entropy"
    first = world.client.get(path, headers=world.as_lead())
    known = {**world.as_lead(), "If-None-Match": first.headers["etag"]}
    again = world.client.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    world.take_in(reports_of(SiteStory("north-clinic", windows=3))[2:])
    assert world.client.get(path, headers=known).status_code == 200
    assert world.client.get(path, params={"format": "csv"}, headers=known).status_code == 200


def test_a_known_answer_still_needs_a_credential(read_world: World) -> None:
    path = "/api/v1/sites/north-clinic/metrics/mean_entropy"
    tag = read_world.client.get(path, headers=read_world.as_lead()).headers["etag"]
    assert read_world.client.get(path, headers={"If-None-Match": tag}).status_code == 401
