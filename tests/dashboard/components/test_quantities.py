import pytest

from dashboard.client import CentralForPerson
from dashboard.components import quantities
from tests.dashboard_views import checked, of_kind, point, series, words


def test_quantities_with_an_open_alert_come_first_then_those_near_their_alarm_line(lead: CentralForPerson) -> None:
    site = "south-clinic"
    alerts, detectors = lead.alerts(site=site), lead.detectors(site)
    ordered = [info.name for info in quantities.most_changed_first(lead.metrics(site), alerts, detectors)]
    alerting = {alert.metric for alert in alerts}
    assert set(ordered[: len(alerting)]) == alerting
    assert quantities.most_changed_first(lead.metrics(site), (), ())[0].label == "Components"


def test_a_resolved_alert_no_longer_lifts_its_quantity(lead: CentralForPerson) -> None:
    alerts = [a.model_copy(update={"state": "resolved"}) for a in lead.alerts(site="south-clinic")]
    ordered = quantities.most_changed_first(lead.metrics("south-clinic"), alerts, ())
    assert ordered[0].label == "Components"


def test_each_quantity_has_a_card_with_a_button_and_a_valid_chart(lead: CentralForPerson) -> None:
    names = [info.name for info in lead.metrics("south-clinic")]
    cards = quantities.multiples(lead.several_metrics("south-clinic", names), lead.alerts(), "mean_entropy")
    assert [button.id["metric"] for button in of_kind(cards, "Button")] == names
    pressed = [
        button for button in of_kind(cards, "Button") if button.to_plotly_json()["props"]["aria-pressed"] == "true"
    ]
    assert [button.id["metric"] for button in pressed] == ["mean_entropy"]
    for graph in of_kind(cards, "Graph"):
        checked(graph.figure)
        assert graph.style["height"]


def test_the_latest_value_is_the_median_or_the_reason_why_there_is_none() -> None:
    assert quantities.latest(series([point(0, [0.5, 0.6, 0.9])])) == "0.6 Dice"
    assert quantities.latest(series([point(0, [0.5]), point(1, answer="suppressed")])) == "suppressed"
    assert quantities.latest(series([point(0, [0.5]), point(1, answer="withheld")])) == "withheld"
    assert quantities.latest(series([])) == "no window yet"


def test_the_direction_is_told_in_words() -> None:
    assert quantities.direction(series([]).metric) == "higher is better; definition v1"


@pytest.mark.parametrize(("value", "verdict"), [(0.3, "above the band"), (0.2, "within the band")])
def test_drift_tells_value_and_what_chance_gives(lead: CentralForPerson, value: float, verdict: str) -> None:
    told = lead.drift("south-clinic", "mean_entropy")
    point = told.points[-1]
    chance = {"value": value, "null_median": 0.1, "null_high": 0.2}
    changed = point.model_copy(update={"statistics": [one.model_copy(update=chance) for one in point.statistics]})
    panel = quantities.drift_panel(told.model_copy(update={"points": (changed,)}), point.window.index)
    said = words(panel)
    assert said.count(f"{verdict}  (chance gives 0.1, up to 0.2") == 3
    assert ("1 window in 40 lies above it by chance" in said) is (value > 0.2)
    assert [type(graph).__name__ for graph in of_kind(panel, "Graph")] == ["Graph"] * 3


def test_drift_of_a_window_without_numbers_says_so(lead: CentralForPerson) -> None:
    assert words(quantities.drift_panel(lead.drift("south-clinic", "mean_entropy"), 0)).count("no value for this") == 3


def test_a_site_that_warms_up_shows_no_empty_charts(lead: CentralForPerson) -> None:
    told = lead.drift("new-clinic", "mean_entropy")
    for panel in (quantities.drift_panel(told, 0), quantities.evidence_panel(lead.detectors("new-clinic"), (), 200)):
        assert of_kind(panel, "Graph") == []
        assert "baseline" in words(panel)
