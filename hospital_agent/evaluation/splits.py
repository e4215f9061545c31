"""Patients into training, validation and test: by patient, never by image, another draw for every seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.evaluation.tasks import Example, Split


@dataclass(frozen=True)
class Parts:
    """The images of each part; no patient is in two."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def split_patients(
    examples: Sequence[Example], split: Split, seed: int, images_per_patient: int | None = None
) -> Parts:
    """Draw the patients of each part; all images of a patient go with it.

    Args:
        images_per_patient: how many images of a patient are tested on; all when None.

    Raises:
        TooFewCases: no patient would be left to train on.
    """
    patients = sorted({example.patient for example in examples})
    if len(patients) <= split.validation + split.test:
        raise TooFewCases(
            f"{len(patients)} patients cannot be split into {split.validation} for validation, {split.test} for the "
            "test and at least one for training."
        )
    drawn = [patients[i] for i in np.random.default_rng([seed, 4711]).permutation(len(patients))]
    test, validation = set(drawn[: split.test]), set(drawn[split.test : split.test + split.validation])
    return Parts(
        train=[example for example in examples if example.patient not in test | validation],
        validation=[example for example in examples if example.patient in validation],
        test=_some(examples, test, images_per_patient),
    )


def _some(examples: Sequence[Example], patients: set[str], most: int | None) -> list[Example]:
    """The first image of one patient, the last of the next, and so on, so that all kinds of image are met."""
    chosen: list[Example] = []
    for turn, patient in enumerate(sorted(patients)):
        own = [example for example in examples if example.patient == patient]
        chosen += (own if turn % 2 == 0 else own[::-1])[:most]
    return chosen
