"""The doubt of a network that was taught on foreign images to know nothing."""

from collections.abc import Iterable
from typing import Literal

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.another_network import doubt_of_another
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from shared.quantities import geometric_cuts


@sampled_scores.register("outlier_exposure")
class OutlierExposure:
    """`max_softmax` of *another* network than the one that is judged: one trained to be unsure on outliers.

    It judges the main network's mask with a doubt that is not its own. The price is one pass of the second network.

    Source:
        Hendrycks, Mazeika and Dietterich 2018; "Outlier Exposure" of Karimi and Gholipour 2022, III-D (d). Differs:
        there the exposed network segments too; here it doubts beside the segmenter, so that every method judges the
        same masks. The training is in `training.outlier_exposure`.
    """

    source: Literal["outlier_exposure"] = "outlier_exposure"
    needs = "outlier_exposure"
    passes: int | None = 1
    quantity = uncertainty_quantity(
        "outlier_exposure", "Outlier exposure: 1 - mean largest probability", geometric_cuts(1e-5, 0.3), high=0.5
    )

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 0.5]; None without probabilities. Looks at the first answer alone.

        Raises:
            TooFewCases: there is none.
        """
        return doubt_of_another(answers)
