"""Two sums over one quantity never differ by a few patients of a site."""

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hospital_agent.federation.steady import TooFewChanged, changed, given_patients, steady
from hospital_agent.settings import Settings
from shared.errors import SettingsError
from tests.agent_site import site_settings

Q = "rows/0123/mahalanobis"
K = 3
Patients = dict[str, bytes]


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    (tmp_path / "inbox").mkdir()
    return site_settings(tmp_path / "inbox", tmp_path / "data")


def give(site: Settings, patients: Patients, quantity: str = Q) -> set[str]:
    items = [(patient, content + suffix) for patient, content in patients.items() for suffix in (b"1", b"2")]
    kept = steady(site, quantity, items, K)
    return {patient for (patient, _), may in zip(items, kept, strict=True) if may}


def some(*names: str, content: bytes = b"x") -> Patients:
    return dict.fromkeys(names, content)


def test_the_first_time_everybody_is_given(site: Settings) -> None:
    assert give(site, some("a", "b")) == {"a", "b"} == given_patients(site, Q)


def test_new_patients_wait_until_there_are_k(site: Settings) -> None:
    give(site, some("a", "b"))
    assert give(site, some("a", "b", "c")) == {"a", "b"}
    assert give(site, some("a", "b", "c", "d")) == {"a", "b"}
    assert give(site, some("a", "b", "c", "d", "e")) == {"a", "b", "c", "d", "e"}
    assert given_patients(site, Q) == {"a", "b", "c", "d", "e"}


def test_who_is_gone_or_changed_is_not_given_again_and_not_told_by_a_difference(site: Settings) -> None:
    give(site, some("a", "b", "c"))
    for now in (some("a", "b"), {**some("a", "b"), "c": b"another image"}):
        with pytest.raises(TooFewChanged):
            give(site, now)
    assert give(site, some("a", "d", "e")) == {"a", "d", "e"}  # two gone, two new


def test_earlier_sets_count_as_the_last_one_does(site: Settings) -> None:
    give(site, some("a", "b", "c"))
    give(site, some("a", "b", "c", "d", "e", "f"))
    with pytest.raises(TooFewChanged):
        give(site, some("a", "b", "d"))  # three gone since the last, but two changed since the first
    assert give(site, some("a", "b", "c")) == {"a", "b", "c"}  # the first again tells nothing new


def test_quantities_are_apart(site: Settings) -> None:
    give(site, some("a", "b"))
    assert give(site, some("a", "b", "c"), "rows/0123/another") == {"a", "b", "c"}
    assert given_patients(site, "never given") == frozenset()


def test_what_cannot_be_read_gives_nothing(site: Settings) -> None:
    give(site, some("a", "b"))
    (file,) = (site.federation_dir / "given").iterdir()
    file.write_text("{")
    with pytest.raises(SettingsError):
        give(site, some("a", "b"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([b"x", b"y"]), min_size=1), max_size=8)
)
def test_whatever_happens_no_two_differ_by_fewer_than_k(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Patients]
) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "inbox").mkdir()
    site = site_settings(folder / "inbox", folder / "data")
    sums = []
    for now in steps:
        try:
            names = give(site, now)
        except TooFewChanged:
            continue
        sums.append({name: now[name].decode() for name in names})
    for one, other in combinations(sums, 2):
        assert one == other or len(changed(one, other)) >= K
