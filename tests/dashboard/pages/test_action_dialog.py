import pytest

from dashboard.client import CentralForPerson
from dashboard.components.alert_cards import LABELS
from dashboard.pages import action_dialog


@pytest.mark.parametrize(("action", "state"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_a_confirmed_action_is_recorded_with_person_and_comment(
    lead: CentralForPerson, action: str, state: str
) -> None:
    alert = str(lead.alerts()[0].alert_id)
    changed = action_dialog.act(lead, action, alert, "  called the site \n")
    assert (changed.state, changed.owner) == (state, "lead")
    assert (changed.transitions[-1].actor, changed.transitions[-1].comment) == ("lead", "called the site")


def test_every_offered_action_is_explained_before_it_is_done() -> None:
    assert set(action_dialog.SENTENCES) == set(LABELS)
