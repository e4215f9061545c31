from datetime import timedelta

import pytest

from dashboard.client import CentralForPerson
from dashboard.errors import NotFound
from dashboard.pages import site
from tests.dashboard_views import checked, of_kind, words
from tests.fake_central import NOW


def test_the_page_shows_head_alerts_rates_evidence_and_processing(lead: CentralForPerson) -> None:
    found = site.ask(lead, "south-clinic")
    assert "South Clinic" in words(site.head(found, NOW))
    assert words(site.alert_section(found.alerts, NOW)).count("Next step:") == 5
    assert "Sensitivity for failures" in words(site.rate_cards(found))
    assert "alarm line" in words(site.evidence_section(found)).lower()
    assert "Scored" in words(site.processing(found))
    checked(site.rates_figure(found))
    for graph in of_kind(site.evidence_section(found), "Graph"):
        checked(graph.figure)


def test_resolved_alerts_are_folded_away(lead: CentralForPerson) -> None:
    for alert in lead.alerts(site="south-clinic")[:2]:
        lead.resolve(str(alert.alert_id), "mended")
    section = site.alert_section(lead.alerts(site="south-clinic"), NOW)
    (folded,) = [part for part in of_kind(section, "Details") if part.className == "older"]
    assert "2 resolved alerts" in words(folded)
    assert words(folded).count("Next step:") == 2


def test_a_site_without_alerts_says_so(lead: CentralForPerson) -> None:
    assert "None is open" in words(site.alert_section(site.ask(lead, "north-clinic").alerts, NOW))


def test_the_page_is_drawn_again_only_when_an_answer_changed(lead: CentralForPerson) -> None:
    before = site.ask(lead, "south-clinic").name(NOW)
    assert site.ask(lead, "south-clinic").name(NOW) == before
    lead.acknowledge(str(lead.alerts(site="south-clinic")[0].alert_id), "")
    assert site.ask(lead, "south-clinic").name(NOW) != before


def test_the_page_is_drawn_again_when_an_alert_has_another_age(lead: CentralForPerson) -> None:
    found = site.ask(lead, "south-clinic")
    assert found.name(NOW + timedelta(days=1)) != found.name(NOW)


def test_a_site_that_does_not_exist_is_not_found(lead: CentralForPerson) -> None:
    with pytest.raises(NotFound):
        site.ask(lead, "nowhere")


def test_a_site_without_any_report_still_has_a_head(lead: CentralForPerson) -> None:
    found = site.ask(lead, "valley-clinic")
    assert "Never seen" in words(site.head(found, NOW))
    assert site.evidence_section(found) is not None
    checked(site.rates_figure(found))
