import pytest

from dashboard.client import CentralForPerson
from dashboard.pages import federation
from tests.dashboard_views import of_kind, words
from tests.fake_central import NOW, FakeCentral
from tests.fake_federation import run_id


def page(lead: CentralForPerson, search: str = "") -> list[object]:
    wanted = federation.asked_by(search)
    return federation.body(federation.ask(lead, wanted), wanted, NOW)


def test_the_newest_run_is_shown_with_its_rounds(lead: CentralForPerson) -> None:
    run, every, keys = page(lead)
    assert words(run).startswith("Logistic Running asked for 2 min ago by command-line")
    assert "Rounds, newest first" in words(run)
    assert words(every).startswith("All runs")
    assert "Train segmenter Interrupted" in words(every)
    assert len(of_kind(keys, "Code")) == 7


def test_the_address_chooses_a_run(lead: CentralForPerson) -> None:
    run, every, _ = page(lead, f"?run={run_id(2)}")
    assert words(run).startswith("Gaussian Completed")
    chosen = [row for row in of_kind(every, "Tr") if getattr(row, "aria-current", None)]
    assert [words(row).split()[0] for row in chosen] == ["Gaussian"]


def test_a_run_that_does_not_exist_is_said_in_words_and_the_others_are_listed(lead: CentralForPerson) -> None:
    run, every, _ = page(lead, "?run=nonsense")
    assert "There is no such run." in words(run)
    assert "Train segmenter" in words(every)


def test_before_the_first_run_it_says_what_to_do(lead: CentralForPerson, central: FakeCentral) -> None:
    central.runs, central.keys = [], []
    run, keys = page(lead)
    assert "central-server federate JOB" in words(run)
    assert "central-server federation add-site" in words(keys)


def test_of_many_runs_it_says_that_these_are_the_newest(
    lead: CentralForPerson, central: FakeCentral, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.client.RUNS_SHOWN", 2)
    _, every, _ = page(lead)
    assert words(every).startswith("All runs The newest 2.")


def test_the_ages_change_with_time_and_not_from_tick_to_tick(lead: CentralForPerson) -> None:
    from datetime import timedelta

    found = federation.ask(lead, None)
    assert federation.ages(found, NOW) == federation.ages(found, NOW + timedelta(seconds=1))
    assert federation.ages(found, NOW) != federation.ages(found, NOW + timedelta(minutes=1))
