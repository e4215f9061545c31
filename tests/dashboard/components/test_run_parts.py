"""Runs as a table, one run in full, the results of several, and the sites' keys."""

from datetime import timedelta

import pytest

from dashboard.components.run_panel import run_panel, value_in_words
from dashboard.components.run_results import run_results, with_result
from dashboard.components.run_table import run_table, taking_part
from dashboard.components.site_keys import site_keys
from shared.federation.read_models import RunDetail, Told
from tests.dashboard_views import of_kind, words
from tests.fake_central import NOW
from tests.fake_federation import keys, run_id, runs

SITES = ("hill-hospital", "island-hospital", "north-clinic", "south-clinic")
RUNS = {run.overview.run: run for run in runs(SITES, NOW)}
RUNNING, PROPOSED, FAILED, INTERRUPTED, COMPLETED = (RUNS[run_id(number)] for number in (6, 5, 4, 3, 2))


def rows(table: object) -> list[str]:
    return [words(row) for row in of_kind(table, "Tr")[1:]]


def test_the_table_says_of_each_run_how_it_stands() -> None:
    overviews = [run.overview for run in (COMPLETED, PROPOSED, FAILED)]
    assert rows(run_table(overviews, None, NOW)) == [
        "Gaussian Completed 3 days ago 3 of 4 3 2 min 48 s 16.9 MB",
        "Histograms Proposed 9 min ago none invited yet none yet – –",
        "Conformal Failed 7 h ago 0 of 4 none – –",
    ]


def test_a_run_has_an_address_and_the_chosen_one_is_marked() -> None:
    table = run_table([COMPLETED.overview, FAILED.overview], FAILED.overview.run, NOW)
    assert [link.href for link in of_kind(table, "Link")] == [
        f"/federation?run={run_id(2)}",
        f"/federation?run={run_id(4)}",
    ]
    assert [getattr(row, "aria-current", None) for row in of_kind(table, "Tr")[1:]] == [None, "true"]


def test_one_run_says_who_took_part_who_is_missing_and_why_and_what_came_of_it() -> None:
    said = words(run_panel(COMPLETED, NOW))
    assert "3 sites took part in 2 rounds." in said
    assert "Took part hill-hospital island-hospital north-clinic Missing south-clinic : did not answer in time" in said
    assert "Asked for with Score mahalanobis Check weight yes" in said
    assert "Sites 3 Rows 90,368 Patients 1,412 Weight 0.0071" in said


def test_its_rounds_stand_newest_first_with_their_attempt() -> None:
    (table,) = of_kind(run_panel(COMPLETED, NOW), "Table")
    assert rows(table) == [
        "2 attempt 2 3 south-clinic : did not answer in time 1 min 4 s 8.4 MB 17 Nov 2026, 12:06 UTC",
        "1 attempt 2 3 south-clinic : did not answer in time 1 min 3 s 8.4 MB 17 Nov 2026, 12:05 UTC",
        "1 4 nobody 41 s 92.3 kB 17 Nov 2026, 12:04 UTC",
    ]
    assert "Rounds 3, in 2 attempts" in words(run_panel(COMPLETED, NOW))


@pytest.mark.parametrize("run", [PROPOSED, FAILED], ids=["proposed", "failed"])
def test_a_run_without_rounds_has_no_table_and_no_zeros(run: RunDetail) -> None:
    panel = run_panel(run, NOW)
    assert of_kind(panel, "Table") == []
    assert "0.0 s" not in words(panel)
    assert "0 bytes" not in words(panel)


def test_an_interrupted_run_says_that_there_is_no_result() -> None:
    said = words(run_panel(INTERRUPTED, NOW))
    assert "There is no result" in said
    assert "its own policy does not allow this" in said


@pytest.mark.parametrize(
    ("value", "said"), [(True, "yes"), (False, "no"), (12345, "12,345"), (0.00712, "0.00712"), ("fedprox", "fedprox")]
)
def test_values_are_read_as_people_write_them(value: Told, said: str) -> None:
    assert value_in_words(value) == said


def test_results_are_those_of_completed_runs() -> None:
    found = with_result([run.overview for run in RUNS.values()])
    assert [run.run for run in found] == [run_id(2), run_id(1)]
    said = words(run_results(found, NOW))
    assert "Gaussian 2 days ago 3 of 4 sites Sites 3 Rows 90,368" in said
    silent = COMPLETED.overview.model_copy(update={"told": {}})
    assert "told nothing" in words(run_results([silent], NOW))


def test_a_run_that_invited_nobody_yet_says_so() -> None:
    assert taking_part(PROPOSED.overview) == "none invited yet"


def test_keys_stand_by_site_with_the_good_one_first() -> None:
    said = rows(site_keys(keys(SITES, NOW), NOW))
    good, ended = said[:2]
    assert "Good 1 min ago 40 days ago  by command-line" in good
    assert "Ended 40 days ago never 90 days ago  by command-line" in ended
    assert [row.split()[0] for row in said] == [SITES[0], *SITES]


def test_a_fingerprint_is_shown_whole() -> None:
    known = keys(SITES, NOW - timedelta(days=1))
    shown = [words(code) for code in of_kind(site_keys(known, NOW), "Code")]
    assert sorted(shown) == sorted(key.fingerprint for key in known)
