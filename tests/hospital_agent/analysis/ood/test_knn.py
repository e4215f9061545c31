"""Distances to the k-th nearest patient, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.ood.knn import NEIGHBOURS, NearestNeighbours, unit_rows
from tests.patches import layer_of, segmentation_of


def rows_of(count: int, dimension: int = 6, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(size=(count, 1, dimension)))


def test_on_paper() -> None:
    score = NearestNeighbours.fit_cases([np.array([[5.0, 0.0]]), np.array([[0.0, 0.1]])], ["a", "b"])
    # Two patients: the second nearest. A case along the first axis is at 0 and sqrt(2).
    np.testing.assert_allclose(score.distances([[2.0, 0.0], [-1.0, 0.0]]), [np.sqrt(2), 2.0])


def test_with_a_case_a_patient_it_is_the_kth_neighbour_of_scikit_learn() -> None:
    rows, asked = rows_of(30), np.concatenate(rows_of(8, seed=1))
    score = NearestNeighbours.fit_cases(rows, [str(i) for i in range(30)])
    far, _ = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(unit_rows(np.concatenate(rows))).kneighbors(unit_rows(asked))
    np.testing.assert_allclose(score.distances(asked), far[:, -1])


def test_many_images_of_one_patient_count_as_one_neighbour() -> None:
    rows = rows_of(30)
    patients = [str(i) for i in range(30)]
    once = NearestNeighbours.fit_cases(rows, patients)
    often = NearestNeighbours.fit_cases(rows + [rows[0]] * 20, patients + ["0"] * 20)
    asked = rows[0] + 0.01
    np.testing.assert_allclose(often.distances(asked), once.distances(asked))


def test_strength_does_not_matter_and_a_silent_layer_is_far_from_all() -> None:
    score = NearestNeighbours.fit_cases(rows_of(20), [str(i) for i in range(20)])
    asked = rows_of(1, seed=3)[0]
    np.testing.assert_allclose(score.distances(asked * 1e5), score.distances(asked))
    np.testing.assert_allclose(score.distances(np.zeros((1, 6))), 1.0)


def test_reads_the_bottleneck() -> None:
    score = NearestNeighbours.fit_cases(rows_of(20), [str(i) for i in range(20)])
    positions = np.random.default_rng(5).normal(size=(9, 6))
    seen = replace(segmentation_of(np.zeros((4, 4, 4), np.float32)), layers={"bottleneck": layer_of(positions)})
    assert score.compute(seen) == pytest.approx(score.distances(positions.mean(axis=0)[None])[0])


def test_one_training_case_is_the_neighbour() -> None:
    score = NearestNeighbours.fit_cases([np.array([[1.0, 1.0]])], ["a"])
    np.testing.assert_allclose(score.distances([[2.0, 2.0], [-1.0, -1.0]]), [0.0, 2.0], atol=1e-12)


def test_a_damaged_state_is_named() -> None:
    state = dict(NearestNeighbours.fit_cases(rows_of(5), list("abcde")).state())
    for damaged in ({"rows": state["rows"]}, state | {"patients": np.zeros(3)}, state | {"rows": np.zeros(5)}):
        with pytest.raises(ModelMismatch, match="knn"):
            NearestNeighbours.from_state(damaged)
