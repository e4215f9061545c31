from pathlib import Path
from typing import get_args

import pytest

import dashboard
from dashboard.components import states
from shared.federation.read_models import RunState
from shared.read_models import AlertState, Severity, SiteState

LOOKS = [
    *states.SITE_STATES.values(),
    *states.ALERT_STATES.values(),
    *states.SEVERITIES.values(),
    *states.RUN_STATES.values(),
    states.KEY_GOOD,
    states.KEY_ENDED,
]
ASSETS = Path(dashboard.__file__).parent / "assets"


def test_every_state_has_a_look() -> None:
    assert set(states.SITE_STATES) == set(get_args(SiteState))
    assert set(states.ALERT_STATES) == set(get_args(AlertState))
    assert set(states.SEVERITIES) == set(get_args(Severity))
    assert set(states.RUN_STATES) == set(get_args(RunState))


def test_every_site_state_is_in_exactly_one_group_of_the_headline() -> None:
    grouped = [state for _, _, members in states.HEADLINE for state in members]
    assert sorted(grouped) == sorted(get_args(SiteState))


def test_no_two_site_states_read_alike() -> None:
    assert len({look.word for look in states.SITE_STATES.values()}) == len(states.SITE_STATES)


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.word)
def test_colour_never_stands_alone(look: states.Look) -> None:
    style = (ASSETS / "style.css").read_text()
    assert look.word
    assert f".icon-{look.icon} " in style
    assert (ASSETS / "icons" / f"{look.icon}.svg").is_file()
    assert f".tone-{look.tone} " in style
