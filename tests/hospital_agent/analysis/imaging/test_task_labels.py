"""Labels of a file as those of a task: 255 for one label, and a sentence where a number could be any."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import NotApplicable, UnknownLabel
from hospital_agent.analysis.imaging.task_labels import task_labels


def of(*numbers: int) -> np.ndarray:
    return np.array([[numbers]], dtype=np.uint8)


def test_labels_of_the_task_are_left_alone() -> None:
    for labels, count in ((of(0, 1, 3), 3), (of(0, 2), 3), (of(0, 0), 1), (of(), 2)):
        assert np.array_equal(task_labels(labels, count), labels)


def test_with_one_label_whatever_is_marked_is_it() -> None:
    assert task_labels(of(0, 255, 7), 1).tolist() == [[[0, 1, 1]]]
    assert task_labels(of(0, 255), 1).dtype == np.uint8


def test_a_label_above_several_is_refused_by_its_number() -> None:
    with pytest.raises(UnknownLabel, match="holds label 4, and the model knows 3 labels, 1 to 3"):
        task_labels(of(0, 1, 4), 3)
    with pytest.raises(NotApplicable, match="label 255"):
        task_labels(of(0, 255), 2)
