"""A site's memory on disk: what `VolatileMemory` says, and also after a restart, and when two sessions end at once."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hospital_agent.federation.memory_on_disk import MemoryOnDisk
from hospital_agent.federation.secure_sum_memory import SiteMemory, VolatileMemory
from hospital_agent.store.database import Store
from shared.secure_sum.cohorts import check_cohort
from shared.secure_sum.errors import CohortTooClose, CohortTooSmall, SecureSumError, SessionReplayed

SITES = [f"site-{letter}" for letter in "abcdefgh"]
COHORTS = st.sets(st.sampled_from(SITES), min_size=2, max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.binary(min_size=16, max_size=16) | st.just(bytes(16))),
        st.tuples(st.just("release"), st.tuples(st.sampled_from(["histograms/v1", "gaussian/v1"]), COHORTS)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=12,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def done(memory: SiteMemory, step: str, argument: object) -> str:
    """What a step comes to; a release is judged first, as `SecureSumClient` does."""
    try:
        if step == "open":
            memory.open_session(argument)  # type: ignore[arg-type]
        else:
            quantity, cohort = argument  # type: ignore[misc]
            check_cohort(memory.released(quantity), cohort)
            memory.record_release(quantity, cohort)
    except SecureSumError as refusal:
        return type(refusal).__name__
    return "done"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_it_says_what_a_memory_in_the_program_says_restarts_or_not(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store, volatile = Store.open(folder), VolatileMemory()
    for step, argument in steps:
        if step == "restart":
            store.close()
            store = Store(folder)
            continue
        assert done(MemoryOnDisk(store), step, argument) == done(volatile, step, argument)
    for quantity in ("histograms/v1", "gaussian/v1"):
        assert set(MemoryOnDisk(store).released(quantity)) == set(volatile.released(quantity))
    store.close()


def test_the_rule_on_cohorts_outlives_the_program(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    MemoryOnDisk(store).open_session(bytes(16))
    MemoryOnDisk(store).record_release("gaussian/v1", SITES[:4])
    store.close()
    again = Store.open(tmp_path)
    memory = MemoryOnDisk(again)
    with pytest.raises(SessionReplayed):
        memory.open_session(bytes(16))
    with pytest.raises(CohortTooClose, match="site-d"):
        memory.record_release("gaussian/v1", SITES[:3])
    memory.record_release("another/v1", SITES[:3])
    assert memory.released("gaussian/v1") == (frozenset(SITES[:4]),)
    again.close()


def test_a_cohort_below_three_sites_is_never_written(store: Store) -> None:
    with pytest.raises(CohortTooSmall):
        MemoryOnDisk(store).record_release("gaussian/v1", SITES[:2])
    assert MemoryOnDisk(store).released("gaussian/v1") == ()


def test_of_two_sessions_that_end_at_once_one_is_refused(store: Store) -> None:
    """Both have judged their cohort against an empty memory before either is written."""
    outcomes, ready = [], Barrier(2)

    def end(cohort: list[str]) -> None:
        memory = MemoryOnDisk(store)
        check_cohort(memory.released("gaussian/v1"), cohort)
        ready.wait()
        try:
            memory.record_release("gaussian/v1", cohort)
            outcomes.append("written")
        except CohortTooClose:
            outcomes.append("refused")

    threads = [Thread(target=end, args=(cohort,)) for cohort in (SITES[:3], SITES[:4])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "written"]


@pytest.mark.parametrize("table", ["federation_sessions", "federation_releases"])
@pytest.mark.parametrize("change", ["DELETE FROM {0}", "UPDATE {0} SET rowid = 7"])
def test_the_database_itself_refuses_to_forget(store: Store, table: str, change: str) -> None:
    MemoryOnDisk(store).open_session(bytes(16))
    MemoryOnDisk(store).record_release("gaussian/v1", SITES[:3])
    connection = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="never forgotten"):
        connection.execute(change.format(table))
    connection.close()
