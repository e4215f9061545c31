"""Voxel confidences and their aggregation to one number a case; higher is less certain. One score a file.

Scores of one pass cost next to nothing and are computed for every case. Scores of several passes say their price.
"""

from collections.abc import Iterable
from typing import Literal, Protocol

from hospital_agent.analysis.segmentation.base import Segmentation
from shared.quantities import Quantity
from shared.registry import Registry


class UncertaintyScore(Protocol):
    """A scalar of a segmentation's probabilities; higher is less certain."""

    quantity: Quantity

    def compute(self, segmentation: Segmentation) -> float | None:
        """The value, or None where it is undefined (no probabilities, an empty mask, ...)."""
        ...


class SampledScore(Protocol):
    """A scalar of several answers to one volume; higher is less certain.

    `source` says where the answers come from: "dropout" (passes with dropout on), "ensemble" (one a member),
    "gradient" (one answer, to an image moved towards higher confidence), or the training of another network that was
    made for doubting and answers once ("outlier_exposure", "lee_gan"). `passes` is how many forward passes it costs;
    for an ensemble it is None, as many as there are members.
    """

    quantity: Quantity
    source: Literal["dropout", "ensemble", "gradient", "outlier_exposure", "lee_gan"]
    passes: int | None

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """The value; None where it is undefined. Holds one answer at a time where it can.

        Raises:
            TooFewCases: fewer than two answers where several are needed.
        """
        ...


sampled_scores: Registry[type[SampledScore]] = Registry("uncertainty score of several passes")
uncertainty_scores: Registry[type[UncertaintyScore]] = Registry("uncertainty score")
