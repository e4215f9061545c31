from uuid import uuid4

import pytest

from dashboard.client import CentralForPerson
from dashboard.pages import alerts
from dashboard.pages.alerts import Asked
from tests.dashboard_views import of_kind, words
from tests.fake_central import NOW, FakeCentral


def test_unresolved_alerts_are_listed_the_open_ones_first(lead: CentralForPerson) -> None:
    first = lead.alerts()[0]
    lead.acknowledge(str(first.alert_id), "")
    listed = alerts.ask(lead, Asked("unresolved", None))
    assert len(listed) == 6
    assert listed[-1].alert_id == first.alert_id


def test_a_list_holds_its_state_alone(lead: CentralForPerson) -> None:
    first = lead.alerts()[0]
    lead.resolve(str(first.alert_id), "mended")
    assert [alert.alert_id for alert in alerts.ask(lead, Asked("resolved", None))] == [first.alert_id]
    assert first.alert_id not in {alert.alert_id for alert in alerts.ask(lead, Asked("unresolved", None))}


def test_one_alert_has_an_address_of_its_own(lead: CentralForPerson) -> None:
    wanted = lead.alerts()[3]
    asked = alerts.asked_by(f"?alert={wanted.alert_id}")
    assert alerts.ask(lead, asked) == [wanted]
    assert "one alert" in words(alerts.filters(asked))


def test_an_alert_that_does_not_exist_is_said_in_words(lead: CentralForPerson) -> None:
    asked = Asked("unresolved", str(uuid4()))
    assert "no such alert" in words(alerts.listing(alerts.ask(lead, asked), NOW, asked))


@pytest.mark.parametrize("search", ["?state=nonsense", "", None])
def test_an_unknown_list_is_the_unresolved_one(search: str | None) -> None:
    assert alerts.asked_by(search) == Asked("unresolved", None)


def test_the_cards_link_to_their_site(lead: CentralForPerson) -> None:
    asked = Asked("unresolved", None)
    listing = alerts.listing(alerts.ask(lead, asked), NOW, asked)
    assert "/sites/south-clinic" in {link.href for link in of_kind(listing, "Link")}
    assert words(listing).startswith("6 alerts")


@pytest.mark.parametrize("shown", alerts.FILTERS)
def test_an_empty_list_says_why(lead: CentralForPerson, central: FakeCentral, shown: str) -> None:
    central.alerts = {}
    asked = Asked(shown, None)
    assert words(alerts.listing(alerts.ask(lead, asked), NOW, asked)).startswith("No alert is")
