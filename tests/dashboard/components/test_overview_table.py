import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

import dashboard
from dashboard.client import CentralForPerson
from dashboard.components import overview_table
from shared.read_models import RateView, SiteOverview
from tests.fake_central import NOW


@pytest.fixture
def sites(lead: CentralForPerson) -> dict[str, SiteOverview]:
    return {site.site: site for site in lead.sites()}


def row(site: SiteOverview) -> overview_table.Row:
    (found,) = overview_table.rows([site], NOW)
    return found


def test_who_needs_a_person_soonest_comes_first(sites: dict[str, SiteOverview]) -> None:
    order = [row["site"] for row in overview_table.rows(sites.values(), NOW)]
    assert order[:4] == ["south-clinic", "harbour-hospital", "valley-clinic", "new-clinic"]
    assert order == [row["site"] for row in overview_table.rows(reversed(sites.values()), NOW)]


def test_equal_needs_are_ordered_by_open_alerts_then_by_name(sites: dict[str, SiteOverview]) -> None:
    calm = [site.model_copy(update={"action_rank": 1}) for site in sites.values()]
    ordered = overview_table.sorted_by_need(calm)
    assert ordered[0].site == "south-clinic"
    rest = [site.title for site in ordered if site.open_alert_count == 0]
    assert rest == sorted(rest)


def test_a_row_says_state_action_freshness_and_interval(sites: dict[str, SiteOverview]) -> None:
    told = row(sites["south-clinic"])
    assert (told["state"], told["alerts_text"], told["seen"]) == ("Alert", "5 open alerts", "2 min ago")
    assert told["action"] == "Look at the open alerts and call the site."
    assert re.fullmatch(r"[\d.]+ %", told["flagged_text"])
    assert told["flagged_low"] <= told["flagged"] <= told["flagged_high"]
    assert told["baseline"].startswith("v1, ")


def test_a_site_never_seen_has_words_and_no_numbers(sites: dict[str, SiteOverview]) -> None:
    told = row(sites["valley-clinic"])
    assert (told["seen"], told["seen_s"], told["n"], told["n_text"]) == ("never", None, None, "none yet")
    assert (told["flagged"], told["flagged_text"], told["baseline"]) == (None, "no report", "not frozen yet")


def test_a_suppressed_window_is_too_few_and_not_zero(sites: dict[str, SiteOverview]) -> None:
    nothing = RateView(name="flagged_rate", answer="suppressed", interval=None, count=None, out_of=None)
    told = row(sites["island-hospital"].model_copy(update={"latest_patient_count": None, "flagged_rate": nothing}))
    assert (told["n"], told["n_text"]) == (None, "too few")
    assert (told["flagged"], told["flagged_text"]) == (None, "suppressed: too few patients")


def test_a_clock_that_runs_ahead_makes_no_negative_age(sites: dict[str, SiteOverview]) -> None:
    ahead = sites["north-clinic"].model_copy(update={"last_seen_at": NOW + timedelta(minutes=10)})
    assert row(ahead)["seen_s"] == 0


def test_a_title_that_is_the_name_is_not_told_twice(sites: dict[str, SiteOverview]) -> None:
    assert row(sites["north-clinic"])["slug"] == "north-clinic"
    assert row(sites["north-clinic"].model_copy(update={"title": "north-clinic"}))["slug"] == ""


def test_the_pager_is_there_only_when_there_is_something_to_page() -> None:
    assert overview_table.class_of(0) == "sites-table no-rows"
    assert "one-page" in overview_table.class_of(overview_table.ROWS_A_PAGE)
    assert overview_table.class_of(overview_table.ROWS_A_PAGE + 1) == "sites-table"


def test_rows_can_travel_as_json(sites: dict[str, SiteOverview]) -> None:
    rows = overview_table.rows(sites.values(), NOW)
    assert json.loads(json.dumps(rows)) == rows


def test_every_cell_is_drawn_by_a_renderer_that_exists_and_every_field_it_reads_is_in_the_row(
    sites: dict[str, SiteOverview],
) -> None:
    script = (Path(dashboard.__file__).parent / "assets" / "grid.js").read_text()
    for column in overview_table.table().columnDefs:
        assert f"components.{column['cellRenderer']} = " in script
        assert column["field"] in row(sites["south-clinic"])
    read = set(re.findall(r"data\.(\w+)", script))
    assert read <= set(row(sites["south-clinic"]))
