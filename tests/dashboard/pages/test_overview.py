import pytest

from dashboard.client import CentralForPerson
from dashboard.pages import overview
from tests.dashboard_views import words
from tests.fake_central import NOW, FakeCentral


def test_the_overview_shows_all_sites_sorted_by_need(lead: CentralForPerson) -> None:
    seen = overview.look(lead, NOW, None)
    assert seen.rows[0]["site"] == "south-clinic"
    assert len(seen.rows) == 7
    assert seen.nothing is None


def test_a_chosen_group_shows_its_sites_while_the_strip_counts_all(lead: CentralForPerson) -> None:
    seen = overview.look(lead, NOW, "silent")
    assert {row["site"] for row in seen.rows} == {"harbour-hospital", "valley-clinic"}
    assert "All sites 7" in words(seen.strip)


def test_an_empty_group_is_said_in_words(lead: CentralForPerson) -> None:
    seen = overview.look(lead, NOW, "attention")
    assert seen.rows == []
    assert "No site is in this state" in words(seen.nothing)


def test_a_federation_without_sites_says_what_is_awaited(lead: CentralForPerson, central: FakeCentral) -> None:
    central.sites = []
    said = words(overview.look(lead, NOW, None).nothing)
    assert "No site takes part yet" in said
    assert "central-server sites add" in said


@pytest.mark.parametrize(
    ("search", "group"), [("?show=silent", "silent"), ("", None), (None, None), ("?other=1", None)]
)
def test_the_address_names_the_group(search: str | None, group: str | None) -> None:
    assert overview.group_of(search) == group
