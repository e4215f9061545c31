"""What holds for every registered job, and what is checked before a vector leaves a site."""

import subprocess
import sys

import numpy as np
import pytest

import hospital_agent.federation.jobs as package
from hospital_agent.federation.jobs import Bounds, Totals, federated_jobs, job_result, site_vector
from hospital_agent.federation.jobs.errors import NotFinite, OutOfBounds, WrongShape

JOBS = ("averaging", "conformal", "gaussian", "histograms", "logistic", "sketched_gaussian", "spectral")


class OneNumber:
    """A job that adds whatever it is given."""

    most_rounds = 1

    def finished(self, totals: Totals) -> bool:
        return len(totals) >= 1

    def size(self, totals: Totals) -> int:
        return 2

    def bounds(self, totals: Totals) -> Bounds:
        return Bounds(3.0, 4.0, 1.0)

    def contribution(self, totals: Totals, data: list[float]) -> np.ndarray:
        return np.array(data)

    def result(self, totals: Totals) -> float:
        return float(totals[0].sum())


def test_all_jobs_are_found_by_name() -> None:
    assert federated_jobs.load(package.__name__).names() == JOBS


@pytest.mark.parametrize("name", JOBS)
def test_every_job_says_what_it_computes(name: str) -> None:
    job = federated_jobs.load(package.__name__).get(name)
    assert job.__doc__
    assert all(hasattr(job, part) for part in ("finished", "size", "bounds", "contribution", "result"))


def test_a_vector_is_checked_before_it_leaves() -> None:
    assert site_vector(OneNumber(), [], [3.0, -2.0]).tolist() == [3.0, -2.0]
    for refused, reason in (
        ([3.5, 0.0], OutOfBounds),
        ([0.0, -3.5], OutOfBounds),
        ([3.0, 3.0], OutOfBounds),  # too long as a whole
        ([np.nan, 0.0], NotFinite),
        ([np.inf, 0.0], NotFinite),
        ([1.0], WrongShape),
    ):
        with pytest.raises(reason) as refusal:
            site_vector(OneNumber(), [], refused)
        assert "3.5" not in str(refusal.value)


def test_totals_from_elsewhere_are_checked() -> None:
    assert job_result(OneNumber(), [np.array([1.0, 2.0])]) == 3.0
    for total, reason in ((np.zeros(3), WrongShape), (np.array([np.nan, 0.0]), NotFinite)):
        with pytest.raises(reason):
            job_result(OneNumber(), [total])
        with pytest.raises(reason):
            site_vector(OneNumber(), [total], [0.0, 0.0])


def test_word_bits_hold_the_largest_sum() -> None:
    assert Bounds(1.0, 1.0, 1.0).word_bits(1) == 2  # -1, 0, 1
    assert Bounds(2.0, 2.0, 2.0**-40).word_bits(8) == 46


def test_jobs_are_science_alone() -> None:
    code = (
        f"import sys, {package.__name__} as jobs; jobs.federated_jobs.load(jobs.__name__);"
        "print(sorted({'torch', 'flwr', 'sqlalchemy', 'httpx2', 'pydicom', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
