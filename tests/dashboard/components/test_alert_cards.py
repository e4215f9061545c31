from datetime import timedelta

import pytest

from dashboard.client import CentralForPerson
from dashboard.components import alert_cards
from shared.read_models import AlertView, Effect, TransitionView
from tests.dashboard_views import of_kind, words
from tests.fake_central import NOW


@pytest.fixture
def alert(lead: CentralForPerson) -> AlertView:
    return next(alert for alert in lead.alerts() if alert.metric == "predicted_dice")


@pytest.fixture
def silent(lead: CentralForPerson) -> AlertView:
    return next(alert for alert in lead.alerts() if alert.rule == "site_silent")


def test_the_card_tells_the_whole_evidence(alert: AlertView) -> None:
    said = words(alert_cards.card(alert, NOW, names_site=True))
    evidence = alert.evidence
    for expected in (
        alert.title, alert.site, "Open", "Critical", evidence.sentence, alert.next_step, "0.83", "0.71 to 0.91",
        "threshold 17.0", f"baseline {evidence.baseline_n}", "UTC", "opened 7 days ago",
    ):  # fmt: skip
        assert expected in said


def test_what_the_rule_does_not_have_is_left_out_and_never_zero(silent: AlertView) -> None:
    said = words(alert_cards.card(silent, NOW, names_site=True))
    assert "Effect" not in said
    assert "Cases" not in said
    assert "Seconds since the last sign of life" in said


def test_evidence_without_a_date_says_so(alert: AlertView) -> None:
    undated = alert.model_copy(update={"evidence": alert.evidence.model_copy(update={"since": None})})
    assert "Since not known" in words(alert_cards.card(undated, NOW, names_site=False))


def test_the_history_names_actor_time_and_comment(alert: AlertView) -> None:
    taken = TransitionView(
        at=NOW, actor="lead", from_state="firing", to_state="acknowledged", comment="new kernel since Thursday"
    )
    later = alert.model_copy(
        update={"state": "acknowledged", "owner": "lead", "transitions": (*alert.transitions, taken)}
    )
    said = words(alert_cards.card(later, NOW, names_site=False))
    assert "20 Nov 2026, 12:04 UTC lead  acknowledged “new kernel since Thursday”" in said
    assert "owner: lead" in said
    assert "History (2 entries)" in said


@pytest.mark.parametrize(
    ("state", "labels"),
    [("firing", ["Acknowledge", "Resolve"]), ("acknowledged", ["Resolve"]), ("resolved", [])],
)
def test_only_what_can_be_done_is_offered(alert: AlertView, state: str, labels: list[str]) -> None:
    card = alert_cards.card(alert.model_copy(update={"state": state}), NOW, names_site=False)
    assert [button.children for button in of_kind(card, "Button")] == labels


def test_a_button_knows_its_alert_and_deed(alert: AlertView) -> None:
    button = of_kind(alert_cards.card(alert, NOW, names_site=False), "Button")[0]
    assert button.id == {"type": "alert-action", "action": "acknowledge", "alert": str(alert.alert_id)}


def test_open_comes_before_acknowledged_before_resolved_and_grave_before_light(alert: AlertView) -> None:
    def like(state: str, severity: str, age_h: int) -> AlertView:
        opened = NOW - timedelta(hours=age_h)
        return alert.model_copy(update={"state": state, "severity": severity, "opened_at": opened})

    wanted = [
        like("firing", "critical", 1), like("firing", "critical", 5), like("firing", "info", 0),
        like("acknowledged", "critical", 9), like("resolved", "critical", 0),
    ]  # fmt: skip
    assert alert_cards.sorted_by_need(wanted[::-1]) == wanted


def test_an_effect_keeps_its_unit(alert: AlertView) -> None:
    effect = Effect(name="median shift", estimate=3.2, low=1.1, high=5.0, unit="ml")
    changed = alert.model_copy(update={"evidence": alert.evidence.model_copy(update={"effect": effect})})
    assert "3.20 ml 1.10 to 5.00 ml" in words(alert_cards.card(changed, NOW, names_site=False))
