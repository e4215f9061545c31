"""Rows survive a run that was cut off, and rows of another run are never taken for ours."""

from pathlib import Path

from hospital_agent.evaluation.cache import RowCache, fingerprint_of
from hospital_agent.evaluation.rows import Condition, Scored


def row(case: str) -> Scored:
    return Scored(
        "task", 1, "test", "p1", case, Condition("blur", 2), 0.25, {"1": 0.25, "2": None}, 3.5, None, 0.1, 0.2,
        {"mean_entropy": 0.5, "knn": None}, {"knn": 0.01},
    )  # fmt: skip


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    RowCache(tmp_path, "seed1", "aaa").add(row("one"))
    assert RowCache(tmp_path, "seed1", "aaa").find("one", Condition("blur", 2)) == row("one")


def test_another_condition_case_or_run_is_another_row(tmp_path: Path) -> None:
    RowCache(tmp_path, "seed1", "aaa").add(row("one"))
    cache = RowCache(tmp_path, "seed1", "aaa")
    assert cache.find("one", Condition("blur", 1)) is None
    assert cache.find("two", Condition("blur", 2)) is None
    assert RowCache(tmp_path, "seed1", "bbb").find("one", Condition("blur", 2)) is None


def test_a_line_that_a_crash_cut_off_is_forgotten_and_the_next_one_is_whole(tmp_path: Path) -> None:
    cache = RowCache(tmp_path, "seed1", "aaa")
    cache.add(row("one"))
    cache.add(row("two"))
    cache.path.write_bytes(cache.path.read_bytes()[:-20])
    cut = RowCache(tmp_path, "seed1", "aaa")
    assert cut.find("two", Condition("blur", 2)) is None
    cut.add(row("two"))
    assert RowCache(tmp_path, "seed1", "aaa").find("two", Condition("blur", 2)) == row("two")


def test_a_fingerprint_changes_with_its_content_and_not_with_its_order() -> None:
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1}) != fingerprint_of({"a": 1, "b": 3})
