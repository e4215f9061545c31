"""Feature-space scores: how unusual a case is to the model; higher is more unusual. One score a file.

The arithmetic works on arrays. `observe` takes from a segmentation what the score looks at (the rows of its tiles, the
mean of a layer, ...), so that no second forward pass is needed; `fit` learns from what training cases showed, which is
small enough to be kept for all of them; `compute` scores a case. One that looks at what a trained companion of the
network leaves in the segmentation says which with a class attribute `needs = "activation_autoencoder"` or
`"mask_autoencoder"`: with another companion it is another number.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.segmentation.base import Segmentation
from shared.quantities import Quantity
from shared.registry import Registry

Observation = NDArray[np.float64]
State = Mapping[str, NDArray[np.float64] | NDArray[np.float32]]


class OodScore(Protocol):
    """A scalar of a segmentation's features against a fitted model reference; higher is more unusual."""

    quantity: Quantity  # the raw score, kept at the site: monitored=False
    wire_quantity: Quantity  # "<name>_log10": log10(score / validation median), what drift looks at and what is sent

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """What the score looks at: (N, D) rows, N >= 1; None where there is nothing (a supplied mask)."""
        ...

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The score fitted on what the training cases showed, each with the patient it is of.

        Raises:
            TooFewCases: there are fewer cases or patients than the fit can stand on.
            NotApplicable: the task or the model lacks what the score needs (several classes, for instance).
        """
        ...

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
