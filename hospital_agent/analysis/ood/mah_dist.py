"""Distance of each predicted class's mean feature from the nearest class of training, with one shared covariance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.moments import Float64Array, feature_rows
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import GaussianReference, named_if_damaged, rows_and_patients
from hospital_agent.analysis.segmentation.base import LAST, Segmentation

FEWEST_CLASSES = 2
ROUNDING = 1e-12  # relative to the largest feature: smaller differences from a class's mean are none


@ood_scores.register("mah_dist")
@dataclass(frozen=True, eq=False)
class ClassMahalanobis:
    """Squared Mahalanobis distance to the nearest class, averaged over the foreground classes that were predicted.

    The features of the last layer are averaged over the voxels predicted as each class: one row a class. Every class
    has its own mean over training cases, all share one covariance. A row is as unusual as it is far from the
    **nearest** class, whatever the network called it, so that it asks "is this anything I know?" and not "is the
    label right?". Higher means more unusual; >= 0; None where no foreground was predicted.

    The background is no class here: it is most of every image and like no organ. A task with one label therefore has
    one class, for which the method is not defined.

    Args:
        classes: (K,) numbers of the foreground classes seen in training, K >= 2.
        means: (K, C) mean feature of each over training cases, each case counting once.
        reference: Gaussian over what is left of the rows without their class's mean: the tied covariance.

    Source:
        Lee, Lee, Lee, Shin, NeurIPS 2018, eq. 1-2, as "Mah-Dist" in Karimi and Gholipour 2022, III-D (g), with
        average pooling. Differs: pooled over the predicted class instead of the image, since in a segmentation the
        classes are voxels; one layer (the published sum over layers is weighted by unusual examples); no step along
        the gradient; shrunk covariance instead of a plain inverse.
    """

    classes: Float64Array
    means: Float64Array
    reference: GaussianReference

    quantity = raw_quantity("mah_dist", "Distance from the nearest class of training", (0.1, 1e6))
    wire_quantity = log10_quantity("mah_dist", "Distance from the nearest class of training")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(classes predicted, 1 + C): number of the class, then its mean feature; None without foreground or layer."""
        layer = segmentation.layers.get(LAST)
        if layer is None:
            return None
        predicted = np.flatnonzero(layer.class_counts)
        predicted = predicted[predicted > 0]
        if predicted.size == 0:
            return None
        return np.column_stack([predicted, layer.class_means[predicted]]).astype(np.float64)

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the class means of training cases.

        Raises:
            FeatureShapeError: cases with different numbers of channels, or not one patient a case.
            TooFewCases: no two cases differ.
            NotApplicable: training cases show fewer than two foreground classes.
        """
        table, of_row = rows_and_patients(observations, patients)
        labels, rows = table[:, 0], table[:, 1:]
        classes = np.unique(labels)
        if classes.size < FEWEST_CLASSES:
            raise NotApplicable(
                "A class-conditional distance needs at least two foreground classes; this task has one."
            )
        means = np.stack([rows[labels == label].mean(axis=0) for label in classes])
        left = rows - means[np.searchsorted(classes, labels)]
        left[np.abs(left) <= ROUNDING * np.abs(rows).max()] = 0.0
        return cls(classes, means, GaussianReference.fit(left, of_row))

    def distances(self, features: ArrayLike) -> Float64Array:
        """(N,) squared distance of each row of (N, C) features to the nearest class, >= 0.

        Raises:
            FeatureShapeError: another number of channels than the fitted one.
        """
        rows = feature_rows(features, self.means.shape[1])
        nearest: Float64Array = np.min([self.reference.distances(rows - mean) for mean in self.means], axis=0)
        return nearest

    def compute(self, segmentation: Segmentation) -> float | None:
        """The mean over the predicted classes; None without foreground or layer."""
        table = self.observe(segmentation)
        return None if table is None else float(self.distances(table[:, 1:]).mean())

    def state(self) -> State:
        """Everything fitted, as arrays."""
        return {**self.reference.state(), "classes": self.classes, "class_means": self.means}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged("mah_dist"):
            classes, means = (np.asarray(state[name], dtype=np.float64) for name in ("classes", "class_means"))
            feature_rows(means)
            return cls(classes, means, GaussianReference.from_state(state))
