"""Patients into training, validation and test: by patient, never by image; another part of them for every seed."""

from collections.abc import Sequence

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.evaluation.tasks import Example, Parts, Split

SHUFFLE = 4711


def split_patients(
    examples: Sequence[Example], split: Split, seed: int, images_per_patient: int | None = None
) -> Parts:
    """The patients of each part; all images of a patient go with it.

    One order is drawn for all seeds, and every seed takes its test patients from the next place in it: as long as
    there are enough, no patient is tested twice.

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
    order = np.roll(np.random.default_rng(SHUFFLE).permutation(len(patients)), -seed * split.test)
    drawn = [patients[i] for i in order]
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
