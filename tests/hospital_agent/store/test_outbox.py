"""Reports that wait: oldest first, put off together, parked ones kept in sight."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hospital_agent.store import ledger, outbox
from hospital_agent.store.database import Store
from hospital_agent.store.outbox import Letter
from shared.report import PrivacyStatement, SiteReport, Versions, Window, report_id_for

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def report(index: int) -> SiteReport:
    return SiteReport(
        report_id=report_id_for("north", "window", index, "all", 0, None),
        site="north",
        kind="window",
        window=Window(index=index, start_at=NOW, end_at=NOW + timedelta(days=1)),
        revision=0,
        stratum="all",
        status="suppressed",
        created_at=NOW,
        versions=Versions(
            agent="0.1.0", backend="bundled", model="1", model_hash="none", quality_model="1", baseline=None, edges=1
        ),
        privacy=PrivacyStatement(k=5, exact_event_counts=False, policy="p"),
        patient_count=None,
        case_count=None,
        late_count=None,
        funnel=None,
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path)
    with store.write() as session:
        for index in range(3):
            outbox.put(session, report(index), NOW)
    return store


def due(store: Store, now: datetime = NOW) -> Letter | None:
    with store.read() as session:
        return outbox.due(session, now)


def test_a_letter_holds_the_very_bytes_of_the_ledger(store: Store) -> None:
    letter = due(store)
    assert letter is not None
    with store.read() as session:
        assert letter.body == ledger.body_of(session, letter.report_id) == report(0).model_dump_json().encode()


def test_letters_go_oldest_first(store: Store) -> None:
    sent = []
    while (letter := due(store)) is not None:
        sent.append(letter.report_id)
        with store.write() as session:
            outbox.mark_sent(session, letter, NOW)
    assert sent == [str(report(index).report_id) for index in range(3)]


def test_one_failure_puts_all_waiting_letters_off(store: Store) -> None:
    letter = due(store)
    assert letter is not None
    with store.write() as session:
        outbox.put_off(session, letter, "http_503", NOW, 60)
    assert due(store, NOW + timedelta(seconds=59)) is None
    later = due(store, NOW + timedelta(seconds=60))
    assert later is not None
    assert (later.report_id, later.attempts) == (letter.report_id, 1)


def test_a_letter_that_a_wrong_clock_put_off_for_years_is_due_and_then_waits_as_others(store: Store) -> None:
    ahead = NOW + timedelta(days=400)
    letter = due(store, ahead)
    assert letter is not None
    with store.write() as session:
        outbox.put_off(session, letter, "http_503", ahead, 60)
    again = due(store)
    assert again is not None
    assert again.report_id == letter.report_id
    with store.write() as session:
        outbox.put_off(session, again, "http_503", NOW, 60)
    assert due(store) is None
    assert due(store, NOW + timedelta(seconds=60)) is not None


def test_the_longest_wait_that_a_centre_may_ask_for_is_kept(store: Store) -> None:
    letter = due(store)
    assert letter is not None
    with store.write() as session:
        outbox.put_off(session, letter, "http_503", NOW, outbox.LONGEST_WAIT.total_seconds())
    assert due(store) is None


def test_a_parked_letter_lets_the_next_one_pass_and_can_be_sent_again(store: Store) -> None:
    letter = due(store)
    assert letter is not None
    with store.write() as session:
        outbox.park(session, letter, "http_409")
    following = due(store)
    assert following is not None
    assert following.report_id != letter.report_id
    with store.read() as session:
        assert outbox.counts(session) == {"waiting": 2, "sent": 0, "parked": 1}
        assert outbox.listed(session)[-1]["last_code"] == "http_409"
    with store.write() as session:
        assert outbox.release_parked(session, NOW) == 1
    again = due(store)
    assert again is not None
    assert again.report_id == letter.report_id
