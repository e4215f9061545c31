"""Entropy of the network's answer, averaged over three regions."""

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import doubt_of, mean_over
from shared.quantities import geometric_cuts


@uncertainty_scores.register("mean_entropy")
class MeanEntropy:
    """Mean entropy of the softmax over the whole image, in bits; with C > 2 classes in units of log2 C bits.

    That unit keeps the range: 0 is certain and 1 is ignorance, however many classes there are.

    Most of an image is plain background, so the value is small and grows with the surface of what is found: it says
    "much to be unsure about" as well as "unsure".

    Source:
        Shannon entropy of the softmax; baseline "mean entropy" of Zenk et al. 2025. Bits, not nats; divided by log2 C.
    """

    quantity = uncertainty_quantity(
        "mean_entropy", "Mean entropy, whole image", geometric_cuts(1e-5, 0.5), unit="bit", monitored=True
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1] bit; None without probabilities."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_over(doubt.entropy)


@uncertainty_scores.register("mean_entropy_foreground")
class MeanEntropyForeground:
    """Mean entropy where the network found foreground (any label): how unsure it is of what it shows."""

    quantity = uncertainty_quantity(
        "mean_entropy_foreground", "Mean entropy, inside the predicted foreground", unit="bit", monitored=True
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1] bit; None without probabilities or foreground."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_over(doubt.entropy, doubt.foreground)


@uncertainty_scores.register("mean_entropy_away_from_boundary")
class MeanEntropyAwayFromBoundary:
    """Mean entropy farther than about 4 mm from the edge of the predicted foreground, inside and outside.

    Source:
        "Non-boundary entropy" of Zenk et al. 2025 (width 4); differs: the width is in mm, not in voxels.
    """

    quantity = uncertainty_quantity(
        "mean_entropy_away_from_boundary",
        "Mean entropy, away from the boundary",
        geometric_cuts(1e-6, 0.5),
        unit="bit",
        monitored=True,
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1] bit; None without probabilities, or where all voxels are near the boundary."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else mean_over(doubt.entropy, doubt.away_from_boundary)
