"""Three rates, three names; an interval for each, and a word where there is none."""

import csv
import io

from shared.read_models import RateSeries, RateView
from shared.report import CountBand, ReviewSummary
from tests.central_world import World
from tests.report_factory import SiteStory, reports_of


def series(world: World, site: str) -> RateSeries:
    return RateSeries.model_validate_json(world.get(f"/sites/{site}/rates").content)


def by_name(rates: tuple[RateView, ...]) -> dict[str, RateView]:
    return {rate.name: rate for rate in rates}


def test_the_flagged_rate_stands_beside_its_measured_quality(read_world: World) -> None:
    rate = by_name(series(read_world, "south-clinic").points[-1].rates)["flagged_rate"]
    assert rate.answer == "ok"
    assert rate.interval is not None
    assert rate.interval.low <= rate.interval.estimate <= rate.interval.high
    assert rate.flag_quality is not None
    assert rate.flag_quality.measured_on == "simulated lesions in known anatomies"


def test_a_banded_count_widens_the_interval_and_says_so(read_world: World) -> None:
    rates = [by_name(p.rates)["flagged_rate"] for p in series(read_world, "south-clinic").points]
    banded = next(rate for rate in rates if rate.count is not None and not rate.count.exact)
    assert banded.count == CountBand(low=1, high=4)
    assert banded.interval is not None
    assert "1 to 4" in banded.interval.method


def test_before_any_review_the_reviewed_rate_is_missing_and_not_zero(read_world: World) -> None:
    rates = by_name(series(read_world, "new-clinic").points[0].rates)
    for name in ("reviewed_failure_rate", "estimated_failure_rate"):
        assert (rates[name].answer, rates[name].interval) == ("missing", None)


def test_an_estimate_that_the_site_could_not_make_is_insufficient_data(read_world: World) -> None:
    rates = by_name(series(read_world, "north-clinic").points[6].rates)
    assert rates["estimated_failure_rate"].answer == "insufficient_data"
    assert rates["reviewed_failure_rate"].answer == "ok"


def test_no_review_at_all_is_insufficient_data(world: World) -> None:
    report = reports_of(SiteStory("north-clinic", windows=1))[0]
    none = ReviewSummary(reviewed_n=0, failed=CountBand.exactly(0), estimated=None)
    world.add_site("north-clinic")
    world.take_in([report.model_copy(update={"reviews": none})])
    rate = by_name(series(world, "north-clinic").points[0].rates)["reviewed_failure_rate"]
    assert (rate.answer, rate.interval, rate.out_of) == ("insufficient_data", None, 0)


def test_the_baselines_flagged_rate_is_there_to_compare(read_world: World) -> None:
    baseline = series(read_world, "south-clinic").baseline_flagged_rate
    assert baseline is not None
    assert baseline.answer == "ok"
    assert series(read_world, "new-clinic").baseline_flagged_rate is None


def test_csv_has_a_line_a_rate_and_words_for_what_is_hidden(read_world: World) -> None:
    answer = read_world.get("/sites/island-hospital/rates", format="csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(lines) == 12 * 3
    hidden = [line for line in lines if line["window_index"] == "7"]
    for line in hidden:
        assert {line[c] for c in ("answer", "estimate", "low", "high", "method", "count", "out_of")} == {"suppressed"}
