"""Patients never cross a split, and every seed tests others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.evaluation.splits import split_patients
from hospital_agent.evaluation.tasks import Example, Split


def examples(patients: int, images: int = 2) -> list[Example]:
    def nothing() -> tuple[Volume, np.ndarray]:
        raise AssertionError("a split reads no image")

    return [
        Example(f"p{patient}", f"p{patient}_{image}", nothing) for patient in range(patients) for image in range(images)
    ]


@given(patients=st.integers(6, 30), validation=st.integers(1, 2), test=st.integers(1, 3), seed=st.integers(0, 20))
def test_every_patient_is_in_exactly_one_part(patients: int, validation: int, test: int, seed: int) -> None:
    parts = split_patients(examples(patients), Split(validation, test), seed)
    sets = [{example.patient for example in part} for part in (parts.train, parts.validation, parts.test)]
    assert [len(part) for part in sets] == [patients - validation - test, validation, test]
    assert len(set.union(*sets)) == patients
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 2 * patients


def test_seeds_test_other_patients_until_all_were_tested() -> None:
    tested = [
        example.patient for seed in range(3) for example in split_patients(examples(12, 1), Split(2, 4), seed).test
    ]
    assert len(set(tested)) == 12


def test_a_seed_always_gives_the_same() -> None:
    first, again = (split_patients(examples(9), Split(2, 3), 5) for _ in range(2))
    assert [example.name for example in first.test] == [example.name for example in again.test]


def test_one_image_a_patient_alternates_between_first_and_last() -> None:
    parts = split_patients(examples(9, 3), Split(2, 4), 0, images_per_patient=1)
    assert len(parts.test) == 4
    assert {example.name[-1] for example in parts.test} == {"0", "2"}
    assert len(parts.validation) == 6


def test_nobody_left_to_train_on_has_a_name() -> None:
    with pytest.raises(TooFewCases, match="5 patients cannot be split into 2 for validation, 3 for the test"):
        split_patients(examples(5), Split(2, 3), 0)
