from pathlib import Path

import pytest

from dashboard.client import CentralForPerson
from dashboard.pages import action_dialog

RULES = Path(__file__).parents[3] / "central_server/alerts/rules"


@pytest.mark.parametrize(("action", "state"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_a_confirmed_action_is_recorded_with_person_and_comment(
    lead: CentralForPerson, action: str, state: str
) -> None:
    alert = str(lead.alerts()[0].alert_id)
    changed = action_dialog.act(lead, action, alert, "  called the site \n")
    assert (changed.state, changed.owner) == (state, "lead")
    assert (changed.transitions[-1].actor, changed.transitions[-1].comment) == ("lead", "called the site")


def test_resolving_says_for_each_rule_what_would_open_the_alert_again() -> None:
    rules = {path.stem for path in RULES.glob("*.py")} - {"__init__"}
    assert set(action_dialog.RESOLVE) == rules
    said = {action_dialog.sentence("resolve", rule) for rule in [*rules, "another"]}
    assert len(said) == len(rules) + 1
    assert "crosses its alarm line" not in action_dialog.sentence("resolve", "site_silent")
    assert action_dialog.sentence("acknowledge", "site_silent") == action_dialog.ACKNOWLEDGE
