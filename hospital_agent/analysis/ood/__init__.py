"""Feature-space scores: how unusual a case is to the model; higher is more unusual. One score a file.

The arithmetic works on arrays (fit on rows of features, score rows of features); `OodScore.compute` applies it to
the patch features that the segmentation left behind, so that no second forward pass is needed.
"""

from collections.abc import Mapping
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.segmentation.base import Segmentation
from shared.quantities import Quantity
from shared.registry import Registry

State = Mapping[str, NDArray[np.float64] | NDArray[np.float32]]


class OodScore(Protocol):
    """A scalar of a segmentation's features against a fitted model reference; higher is more unusual."""

    quantity: Quantity  # the raw score, kept at the site: monitored=False
    wire_quantity: Quantity  # "<name>_log10": log10(score / validation median), what drift looks at and what is sent

    def compute(self, segmentation: Segmentation) -> float | None:
        """The value, or None where it is undefined (no features: a supplied mask)."""
        ...

    def state(self) -> State:
        """Everything fitted, as arrays, for the model folder."""
        ...

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again."""
        ...


ood_scores: Registry[type[OodScore]] = Registry("OOD score")
