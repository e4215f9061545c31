"""Whether a case's classes have neighbours of the same class in every layer, as calibration cases had."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.spatial.distance import cdist

from hospital_agent.analysis.errors import FeatureShapeError, NotApplicable, TooFewCases
from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.knn import unit_rows
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import named_if_damaged
from hospital_agent.analysis.ood.tables import Entry, check_layers, entries_of, layer_widths, table_of
from hospital_agent.analysis.segmentation.base import Segmentation

NEIGHBOURS = 5
EVERY_FIFTH = 5  # patient calibrates: 20 %
FEWEST_CLASSES = 2


@ood_scores.register("deep_knn")
@dataclass(frozen=True, eq=False)
class DeepNearestNeighbours:
    """1 - credibility: how rarely calibration cases had as many neighbours of another class as this case has.

    A sample is one predicted foreground class of a case, described in every layer by its mean feature. Its
    nonconformity is the number of its k nearest training samples, summed over layers, that are of another class. Its
    credibility is the share of calibration samples that conform no better; that of a case is the mean over the
    classes predicted in it. Stored as 1 - credibility: in [0, 1], higher means more unusual, None where no foreground
    was predicted. It takes few different values, and 0 for most ordinary cases, for which its logarithm on the wire is
    undefined. What lies far from everything but nearest to the right class conforms: a weakness of the method.

    Args:
        training: samples of the training patients, as a table (`tables`), features L2-normalised.
        calibration: (M,) nonconformity of the samples of the calibration patients, sorted.

    Source:
        Papernot and McDaniel 2018 (DkNN); Karimi and Gholipour 2022, II-C and III-D (c), with 20 % of the images for
        calibration. Differs: the calibration set is every fifth **patient**, in the order they are given; samples
        are the predicted classes instead of augmented blocks; calibration samples that conform equally count as
        support (with the strict inequality of 2022 a sample without any foreign neighbour could have credibility 0);
        k = 5 (no number is given there), cosine neighbours as in Papernot's.
    """

    training: Float64Array
    calibration: Float64Array

    quantity = raw_quantity("deep_knn", "Classes whose neighbours are of another class", (1e-3, 0.999), high=1.0)
    wire_quantity = log10_quantity("deep_knn", "Classes whose neighbours are of another class")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """Table (`tables`) of the mean feature of each predicted foreground class in each layer; None without any."""
        entries = [
            Entry(label, number, layer.class_means[label].astype(np.float64))
            for label in _classes_in_every_layer(segmentation)
            for number, layer in enumerate(segmentation.layers.values())
        ]
        return table_of(entries) if entries else None

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the class means of training cases.

        Raises:
            FeatureShapeError: cases with different layers, or not one patient a case.
            TooFewCases: fewer than two patients.
            NotApplicable: training cases show fewer than two foreground classes.
        """
        if len(patients) != len(observations):
            raise FeatureShapeError(f"{len(observations)} cases need as many patients, not {len(patients)}.")
        order = list(dict.fromkeys(patients))
        if len(order) < 2:
            raise TooFewCases("DkNN needs patients to learn from and patients to calibrate with: at least two.")
        calibrating = set(order[EVERY_FIFTH - 1 :: EVERY_FIFTH] or order[-1:])
        cases = [_unit(entries_of(table)) for table in observations]
        widths = layer_widths(cases[0])
        for case in cases:
            check_layers(case, widths)
        training = [one for case, who in zip(cases, patients, strict=True) if who not in calibrating for one in case]
        if len({one.label for one in training}) < FEWEST_CLASSES:
            raise NotApplicable("DkNN compares classes and needs at least two foreground classes; this task has one.")
        left_out = [case for case, who in zip(cases, patients, strict=True) if who in calibrating]
        return cls(table_of(training), np.sort([far for case in left_out for far in _nonconformity(case, training)]))

    def compute(self, segmentation: Segmentation) -> float | None:
        """1 - mean credibility of the predicted classes; None without foreground or layers."""
        table = self.observe(segmentation)
        if table is None:
            return None
        training, case = entries_of(self.training), _unit(entries_of(table))
        check_layers(case, layer_widths(training))
        conforming_better = np.searchsorted(self.calibration, _nonconformity(case, training), side="left")
        return float(conforming_better.mean() / self.calibration.size)

    def state(self) -> State:
        """Everything fitted, as arrays."""
        return {"training": self.training, "calibration": self.calibration}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged("deep_knn"):
            training, calibration = (np.asarray(state[key], dtype=np.float64) for key in ("training", "calibration"))
            entries_of(training)
            if calibration.ndim != 1 or calibration.size == 0 or len(training) == 0:
                raise ValueError("Nobody was left out to calibrate on, or nobody to compare with.")
            return cls(training, calibration)


def _classes_in_every_layer(segmentation: Segmentation) -> list[int]:
    """Foreground classes that were predicted somewhere in every layer; small ones vanish from coarse layers."""
    layers = list(segmentation.layers.values())
    if not layers:
        return []
    everywhere = np.all([layer.class_counts > 0 for layer in layers], axis=0)
    return [int(label) for label in np.flatnonzero(everywhere) if label > 0]


def _unit(entries: Sequence[Entry]) -> list[Entry]:
    return [Entry(one.label, one.layer, unit_rows(one.values[None])[0]) for one in entries]


def _nonconformity(case: Sequence[Entry], training: Sequence[Entry]) -> Float64Array:
    """(classes of the case,) neighbours of another class, summed over layers; classes in increasing order."""
    labels = sorted({one.label for one in case})
    foreign = np.zeros(len(labels))
    for layer in layer_widths(training):
        known = [one for one in training if one.layer == layer]
        asked = sorted((one for one in case if one.layer == layer), key=lambda one: one.label)
        apart = cdist([one.values for one in asked], [one.values for one in known])
        nearest = np.argsort(apart, axis=1, kind="stable")[:, :NEIGHBOURS]
        foreign += np.sum(np.array([one.label for one in known])[nearest] != np.array(labels)[:, None], axis=1)
    return foreign
