"""Cases are drawn uniformly at random, each once, and a verdict is kept with how it was drawn."""

from pathlib import Path
from random import Random

from hospital_agent.store import reviews
from tests.agent_site import Site


def test_draws_are_random_without_repeats_and_verdicts_are_kept(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(6):
        site.drop(f"p{number}", number)
    site.settle()
    with site.store.write() as session:
        first = reviews.draw(session, 4, Random(1), site.clock.now)
        rest = reviews.draw(session, 4, Random(1), site.clock.now)
        none = reviews.draw(session, 4, Random(1), site.clock.now)
    assert (len(first), len(rest), none) == (4, 2, [])
    assert not set(first) & set(rest)
    with site.store.write() as session:
        assert reviews.record(session, first[0], "failed", "missed_lesion", site.clock.now)
        assert not reviews.record(session, "unknown", "good", None, site.clock.now)
    with site.store.read() as session:
        assert reviews.counts(session) == {"good": 0, "failed": 1, "waiting": 5}
        assert first[0] not in reviews.waiting(session)


def test_every_case_has_the_same_chance(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for number in range(5):
        site.drop(f"p{number}", number)
    site.settle()
    drawn: dict[str, int] = {}
    for seed in range(120):
        with site.store.read() as session:
            (case,) = reviews.draw(session, 1, Random(seed), site.clock.now)
            drawn[case] = drawn.get(case, 0) + 1
            session.rollback()
    assert len(drawn) == 5
    assert max(drawn.values()) < 24 + 4 * (120 * 0.2 * 0.8) ** 0.5
