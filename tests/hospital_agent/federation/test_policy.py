"""The site's policy: what is not named is not given, and a file that cannot be understood gives nothing."""

from pathlib import Path

import pytest

from hospital_agent.federation.policy import EXAMPLE, PolicyFile, read_rules
from hospital_agent.federation.rules import NotAllowed
from shared.errors import SettingsError

COHORT = ("east", "north", "west")
ALL = 'partners = ["east", "west"]\n[jobs.gaussian]\nallowed = true\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "federation.toml"


def of(file: Path, text: str) -> PolicyFile:
    file.write_text(text, encoding="utf-8")
    return PolicyFile(file, "north")


def test_nothing_is_given_by_default(file: Path) -> None:
    for text in ("", "[jobs.gaussian]\n", "[jobs.histograms]\nallowed = true\n"):
        with pytest.raises(NotAllowed):
            of(file, text).check("gaussian", "gaussian/v1")


def test_without_a_file_nothing_is_given() -> None:
    with pytest.raises(SettingsError, match="AGENT_FEDERATION_POLICY_FILE is not set"):
        PolicyFile(None, "north").check("gaussian", "gaussian/v1")


def test_what_is_named_is_given(file: Path) -> None:
    policy = of(file, ALL)
    policy.check("gaussian", "gaussian/v1")
    policy.check_cohort("gaussian", COHORT, 1_000_000)


@pytest.mark.parametrize(
    ("cohort", "length", "why"),
    [
        (("north", "west"), 1, "at least 3 sites"),
        (("north", "west", "west"), 1, "at least 3 sites"),
        ((*COHORT, "south"), 1, "not sum with south"),
        (COHORT, 1_000_001, "at most 1000000 numbers"),
    ],
)
def test_the_bounds_of_a_sum(file: Path, cohort: tuple[str, ...], length: int, why: str) -> None:
    with pytest.raises(NotAllowed, match=why):
        of(file, ALL).check_cohort("gaussian", cohort, length)


def test_a_job_may_have_bounds_of_its_own(file: Path) -> None:
    policy = of(file, ALL + 'smallest_cohort = 4\nmost_numbers = 7\npartners = ["east", "south", "west"]\n')
    policy.check_cohort("gaussian", (*COHORT, "south"), 7)
    for cohort, length in ((COHORT, 7), ((*COHORT, "south"), 8), (("a", *COHORT), 7)):
        with pytest.raises(NotAllowed):
            policy.check_cohort("gaussian", cohort, length)


def test_partners_may_be_all_whose_key_is_pinned(file: Path) -> None:
    of(file, ALL.replace('["east", "west"]', '"pinned"')).check_cohort("gaussian", ("a", "b", "north"), 1)


def test_without_partners_there_is_nobody_to_sum_with(file: Path) -> None:
    with pytest.raises(NotAllowed, match="east, west"):
        of(file, "[jobs.gaussian]\nallowed = true\n").check_cohort("gaussian", COHORT, 1)


def test_training_needs_to_be_allowed_twice(file: Path) -> None:
    line = "[jobs.train_segmenter]\nallowed = true\n"
    with pytest.raises(NotAllowed):
        of(file, line).check("train_segmenter", "weights")
    with pytest.raises(NotAllowed):
        of(file, "training = true\n").check("train_segmenter", "weights")
    of(file, "training = true\n" + line).check("train_segmenter", "weights")


def test_a_changed_file_counts_at_once(file: Path) -> None:
    policy = of(file, ALL)
    policy.check("gaussian", "gaussian/v1")
    file.write_text(ALL.replace("true", "false"))
    with pytest.raises(NotAllowed):
        policy.check("gaussian", "gaussian/v1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (ALL + "allowed = \n", "line 4"),
        (ALL + "allowed = ", "end of document"),
        ("smallest_cohort = 2\n" + ALL, "smallest_cohort"),
        (ALL + "smallest_cohort = 2\n", r"jobs\.gaussian\.smallest_cohort"),
        (ALL.replace("true", '"yes"'), r"jobs\.gaussian\.allowed"),
        (ALL.replace("true", "1"), r"jobs\.gaussian\.allowed"),
        ("smallest_cohort = 4.0\n" + ALL, "smallest_cohort"),
        ("most_numbers = 0\n" + ALL, "most_numbers"),
        ("everything = true\n" + ALL, "everything"),
        (ALL + "always = true\n", r"jobs\.gaussian\.always"),
        (ALL.replace('["east", "west"]', '"everybody"'), "partners"),
        (ALL.replace('"east"', '"The East"'), "partners"),
        (ALL.replace("gaussian", "Gaussian"), "jobs"),
        ("jobs = 3\n", "jobs"),
    ],
)
def test_an_unusable_file_is_named_and_gives_nothing(file: Path, text: str, named: str) -> None:
    policy = of(file, text)
    with pytest.raises(SettingsError, match=f"AGENT_FEDERATION_POLICY_FILE .*{named}"):
        policy.check("gaussian", "gaussian/v1")
    with pytest.raises(SettingsError):
        policy.check_cohort("gaussian", COHORT, 1)


def test_a_file_that_cannot_be_read_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        PolicyFile(tmp_path / "missing.toml", "north").check("gaussian", "gaussian/v1")


def test_the_example_is_a_policy(file: Path) -> None:
    file.write_text(EXAMPLE)
    rules = read_rules(file)
    assert rules.of_job("histograms").smallest_cohort == 4
    assert [name for name in rules.jobs if rules.of_job(name).allowed] == ["gaussian", "histograms"]
