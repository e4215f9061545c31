"""Entropy of what the members of an ensemble say together."""

from collections.abc import Iterable
from typing import Literal

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.answers import taken_together
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import mean_over
from shared.quantities import geometric_cuts


@sampled_scores.register("ensemble_entropy")
class EnsembleEntropy:
    """Entropy of the mean softmax of the members, mean over the whole image; in bits, for C > 2 in log2 C bits.

    The mean is unsure where each member is, and where the members are sure of different things. How many members there
    were decides much: print the number beside the value.

    Source:
        Lakshminarayanan et al. 2017, as used by Lennartz and Schultz 2023 (mean entropy of an ensemble of five).
    """

    source: Literal["ensemble"] = "ensemble"
    passes: int | None = None
    quantity = uncertainty_quantity(
        "ensemble_entropy", "Entropy of the ensemble, whole image", geometric_cuts(1e-5, 0.5), unit="bit"
    )

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 1]; None without probabilities.

        Raises:
            TooFewCases: fewer than two members.
        """
        together = taken_together(answers)
        return None if together is None else mean_over(together.doubt().entropy)
