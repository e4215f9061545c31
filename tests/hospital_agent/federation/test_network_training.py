"""What jobs that train a network share: who teaches, who judges, and the same patients again until k have changed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from hospital_agent.federation.asked import NoData
from hospital_agent.federation.network_training import Trainee, given, parted
from hospital_agent.federation.steady import TooFewChanged
from hospital_agent.settings import Settings
from tests.agent_site import site_settings

K = 3


@dataclass(frozen=True)
class Case:
    patient: str
    image: bytes = b"x"


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    (tmp_path / "inbox").mkdir()
    return site_settings(tmp_path / "inbox", tmp_path / "data")


def trainee(*cases: Case, job: str = "train_segmenter") -> Trainee[Case]:
    never: Any = None
    return Trainee(
        job, "0123456789abcdef" * 4, never, cases=lambda: cases, content=lambda case: case.image, trainer=never,
        file="", written=never,
    )  # fmt: skip


def who(site: Settings, *cases: Case, job: str = "train_segmenter") -> set[str]:
    return {case.patient for case in given(site, trainee(*cases, job=job), K)}


@drawn(patients=st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=60))
def test_everybody_teaches_or_judges_and_one_of_five_judges(patients: set[str]) -> None:
    teachers, judges = parted(patients)
    assert teachers | judges == patients
    assert not teachers & judges
    assert teachers
    assert len(judges) == max(1, len(patients) // 5)
    assert parted(sorted(patients, reverse=True)) == (teachers, judges)


def test_a_patient_more_waits_until_k_have_come(site: Settings) -> None:
    four = [Case(name) for name in "abcd"]
    assert who(site, *four) == set("abcd")
    assert who(site, *four, Case("e")) == set("abcd")
    assert who(site, *four, Case("e"), Case("f")) == set("abcd")
    assert who(site, *(Case(name) for name in "abcdefg")) == set("abcdefg")


def test_a_patient_less_or_changed_is_refused(site: Settings) -> None:
    who(site, *(Case(name) for name in "abcd"))
    for now in ("abc", "ab"):
        with pytest.raises(TooFewChanged):
            who(site, *(Case(name) for name in now))
    with pytest.raises(TooFewChanged):
        who(site, *(Case(name) for name in "abc"), Case("d", b"another image"))


def test_jobs_and_models_are_quantities_of_their_own(site: Settings) -> None:
    who(site, Case("a"), Case("b"))
    assert who(site, Case("a"), Case("b"), Case("c")) == {"a", "b"}
    assert who(site, Case("a"), Case("b"), Case("c"), job="train_mask_autoencoder") == {"a", "b", "c"}
    other = replace(trainee(Case("a"), Case("b"), Case("c")), model="fedcba9876543210" * 4)
    assert len(given(site, other, K)) == 3


@pytest.mark.parametrize("cases", [(), (Case("a"), Case("a", b"y"))])
def test_one_patient_cannot_both_teach_and_judge(site: Settings, cases: tuple[Case, ...]) -> None:
    with pytest.raises(NoData, match="two patients"):
        who(site, *cases)
    assert not (site.federation_dir / "given").exists(), "what is refused is not remembered as given"
