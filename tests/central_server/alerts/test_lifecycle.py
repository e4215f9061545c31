"""How an alert lives, as decisions without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_server.alerts.lifecycle import Known, state_after, step_for
from central_server.errors import AlertConflict

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_new_cause_opens_an_alert() -> None:
    assert step_for(None, NOON, NOON, HOUR) == "open"


@pytest.mark.parametrize("state", ["firing", "acknowledged"])
def test_while_it_is_open_more_of_it_is_evidence(state: str) -> None:
    assert step_for(Known(state, NOON, None), NOON + HOUR, NOON + HOUR, HOUR) == "update"  # type: ignore[arg-type]


def test_soon_after_it_was_resolved_it_is_taken_up_again() -> None:
    known = Known("resolved", NOON, NOON + HOUR)
    assert step_for(known, NOON + HOUR, NOON + 1.9 * HOUR, HOUR) == "reopen"
    assert step_for(known, NOON + HOUR, NOON + 2 * HOUR, HOUR) == "open"


@given(
    state=st.sampled_from(["firing", "acknowledged", "resolved"]),
    earlier=st.timedeltas(timedelta(0), timedelta(days=400)),
    later=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_the_past_is_never_told_twice(state: str, earlier: timedelta, later: timedelta) -> None:
    known = Known(state, NOON, NOON)  # type: ignore[arg-type]
    assert step_for(known, NOON - earlier, NOON + later, HOUR) == "ignore"


def test_what_a_person_may_do() -> None:
    assert state_after("acknowledge", "firing") == "acknowledged"
    assert state_after("resolve", "firing") == "resolved"
    assert state_after("resolve", "acknowledged") == "resolved"


@pytest.mark.parametrize(
    ("deed", "state"), [("acknowledge", "acknowledged"), ("acknowledge", "resolved"), ("resolve", "resolved")]
)
def test_what_was_done_already_cannot_be_done_again(deed: str, state: str) -> None:
    with pytest.raises(AlertConflict, match=f"already {state}"):
        state_after(deed, state)  # type: ignore[arg-type]
