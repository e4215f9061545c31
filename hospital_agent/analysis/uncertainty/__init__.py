"""Voxel confidences and their aggregation to one number a case; higher is less certain. One score a file."""

from typing import Protocol

from hospital_agent.analysis.segmentation.base import Segmentation
from shared.quantities import Quantity
from shared.registry import Registry


class UncertaintyScore(Protocol):
    """A scalar of a segmentation's probabilities; higher is less certain."""

    quantity: Quantity

    def compute(self, segmentation: Segmentation) -> float | None:
        """The value, or None where it is undefined (no probabilities, an empty mask, ...)."""
        ...


uncertainty_scores: Registry[type[UncertaintyScore]] = Registry("uncertainty score")
