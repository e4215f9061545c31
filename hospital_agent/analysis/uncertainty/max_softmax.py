"""Distance of the network's largest probability from certainty, averaged over three regions."""

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import doubt_of, mean_over
from shared.quantities import geometric_cuts


@uncertainty_scores.register("max_softmax")
class MaxSoftmax:
    """1 - mean over the whole image of the largest class probability; with C > 2 classes times C / (2 (C - 1)).

    That factor keeps the range: 0 is certain and 0.5 is ignorance, however many classes there are.

    Source:
        Hendrycks and Gimpel 2017, as used by González et al. 2021; differs: stored as an uncertainty, 1 - it.
    """

    quantity = uncertainty_quantity(
        "max_softmax", "1 - mean largest probability, whole image", geometric_cuts(1e-5, 0.3), high=0.5, monitored=True
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 0.5]; None without probabilities."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_over(doubt.one_minus_max)


@uncertainty_scores.register("max_softmax_foreground")
class MaxSoftmaxForeground:
    """1 - mean largest class probability where the network found foreground (any label).

    Kept at the site for review; `mean_entropy_foreground` is the one that is watched, since they move together.
    """

    quantity = uncertainty_quantity(
        "max_softmax_foreground", "1 - mean largest probability, inside the predicted foreground", high=0.5
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 0.5]; None without probabilities or foreground."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_over(doubt.one_minus_max, doubt.foreground)


@uncertainty_scores.register("max_softmax_away_from_boundary")
class MaxSoftmaxAwayFromBoundary:
    """1 - mean largest class probability farther than about 4 mm from the edge of the predicted foreground."""

    quantity = uncertainty_quantity(
        "max_softmax_away_from_boundary",
        "1 - mean largest probability, away from the boundary",
        geometric_cuts(1e-6, 0.3),
        high=0.5,
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 0.5]; None without probabilities, or where all voxels are near the boundary."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_over(doubt.one_minus_max, doubt.away_from_boundary)
