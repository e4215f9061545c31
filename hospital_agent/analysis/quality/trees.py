"""Regression trees as arrays: what a forest of scikit-learn predicts, without scikit-learn and without pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.quality.inputs import Float64Array

IntArray = NDArray[np.int64]
LEAF = -1


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """The mean of regression trees whose nodes lie one after the other.

    A case goes left where its column, rounded to single precision as scikit-learn does, is at most the threshold.

    Args:
        roots: (T,) node at which each tree starts.
        feature: (M,) column that a node looks at; -1 for a leaf.
        threshold: (M,).
        left, right: (M,) children; a child lies behind its parent.
        value: (M,) mean of the training cases that reached the node.
    """

    roots: IntArray
    feature: IntArray
    threshold: Float64Array
    left: IntArray
    right: IntArray
    value: Float64Array

    @classmethod
    def of(cls, estimators: Sequence[Any]) -> Self:
        """From the fitted trees of a scikit-learn forest with one output."""
        trees = [estimator.tree_ for estimator in estimators]
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        inner = [tree.children_left >= 0 for tree in trees]
        return cls(
            roots=starts.astype(np.int64),
            feature=np.concatenate([np.where(i, t.feature, LEAF) for t, i in zip(trees, inner, strict=True)]),
            threshold=np.concatenate([np.where(i, t.threshold, 0.0) for t, i in zip(trees, inner, strict=True)]),
            left=_moved([t.children_left for t in trees], starts),
            right=_moved([t.children_right for t in trees], starts),
            value=np.concatenate([t.value[:, 0, 0] for t in trees]),
        )

    def predict(self, columns: Float64Array) -> Float64Array:
        """(N,) mean over the trees."""
        rounded = columns.astype(np.float32)
        cases = np.arange(len(rounded))[:, None]
        nodes = np.tile(self.roots, (len(rounded), 1))
        while True:
            features = self.feature[nodes]
            if (features == LEAF).all():
                mean: Float64Array = self.value[nodes].mean(axis=1)
                return mean
            goes_left = rounded[cases, features] <= self.threshold[nodes]
            children = np.where(goes_left, self.left[nodes], self.right[nodes])
            nodes = np.where(features == LEAF, nodes, children)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "roots": self.roots.tolist(),
            "feature": self.feature.tolist(),
            "threshold": self.threshold.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "value": self.value.tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], columns: int) -> Self:
        """The trees again; a wrong shape, or a walk that could not end, raises KeyError, TypeError or ValueError."""
        trees = cls(
            roots=np.array(data["roots"], dtype=np.int64),
            feature=np.array(data["feature"], dtype=np.int64),
            threshold=np.array(data["threshold"], dtype=np.float64),
            left=np.array(data["left"], dtype=np.int64),
            right=np.array(data["right"], dtype=np.int64),
            value=np.array(data["value"], dtype=np.float64),
        )
        count = trees.feature.size
        nodes = (trees.feature, trees.threshold, trees.left, trees.right, trees.value)
        if any(array.shape != (count,) for array in nodes):
            raise ValueError("The arrays of the trees have different lengths.")
        if trees.roots.ndim != 1 or trees.roots.size == 0 or trees.roots.min() < 0 or trees.roots.max() >= count:
            raise ValueError("A tree starts at a node that does not exist.")
        inner = np.flatnonzero(trees.feature != LEAF)
        children = np.stack([trees.left[inner], trees.right[inner]])
        if inner.size and (children.max() >= count or np.any(children <= inner)):
            raise ValueError("A child of a tree does not lie behind its parent.")
        if trees.feature.min() < LEAF or trees.feature.max() >= columns:
            raise ValueError("A tree looks at a column that does not exist.")
        if not (np.isfinite(trees.threshold).all() and np.isfinite(trees.value).all()):
            raise ValueError("A tree holds a number that is not finite.")
        return trees


def _moved(children: Sequence[IntArray], starts: IntArray) -> IntArray:
    return np.concatenate([np.where(own >= 0, own + start, LEAF) for own, start in zip(children, starts, strict=True)])
