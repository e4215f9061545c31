"""How near the network's answer is to knowing nothing, averaged over three regions."""

from hospital_agent.analysis.imaging.volume import BoolArray
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.analysis.uncertainty.maps import largest_kl
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import VoxelDoubt, doubt_of, mean_over
from shared.quantities import geometric_cuts


@uncertainty_scores.register("kl_from_uniform")
class KlFromUniform:
    """1 - mean KL(u || p) / KL_max over the whole image: 0 is certain, 1 is ignorance.

    KL(u || p) = sum over the C classes of (1/C) log2((1/C) / p), with p not below 1e-4, is a *confidence*: 0 where the
    softmax is uniform, growing without end as one class takes all. The floor ends it at
    KL_max = -((C-1)/C) log2 1e-4 - log2 C, which is 5.64 bits for two classes. The score divides by it and turns it
    round, so that higher is worse. KL(p || u) would be the entropy again; this one goes on telling 1e-2 from 1e-4.

    Source:
        González et al. 2021, sec. 3 ("KL from Uniform", their reference 10), in bits with floor 1e-4, mean over the
        image and inverted; differs: inverted as 1 - it / KL_max, so that the range does not depend on the classes.
    """

    quantity = uncertainty_quantity("kl_from_uniform", "1 - KL from uniform, whole image", geometric_cuts(1e-5, 0.9))

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1]; None without probabilities."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else _lack_of_kl(doubt)


@uncertainty_scores.register("kl_from_uniform_foreground")
class KlFromUniformForeground:
    """1 - mean KL(u || p) / KL_max where the network found foreground (any label)."""

    quantity = uncertainty_quantity(
        "kl_from_uniform_foreground", "1 - KL from uniform, inside the predicted foreground"
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1]; None without probabilities or foreground."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else _lack_of_kl(doubt, doubt.foreground)


@uncertainty_scores.register("kl_from_uniform_away_from_boundary")
class KlFromUniformAwayFromBoundary:
    """1 - mean KL(u || p) / KL_max farther than about 4 mm from the edge of the predicted foreground."""

    quantity = uncertainty_quantity(
        "kl_from_uniform_away_from_boundary", "1 - KL from uniform, away from the boundary", geometric_cuts(1e-5, 0.9)
    )

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1]; None without probabilities, or where all voxels are near the boundary."""
        doubt = doubt_of(segmentation)
        return None if doubt is None else _lack_of_kl(doubt, doubt.away_from_boundary)


def _lack_of_kl(doubt: VoxelDoubt, region: BoolArray | None = None) -> float | None:
    confidence = mean_over(doubt.kl_from_uniform, region)
    return None if confidence is None else min(max(1 - confidence / largest_kl(doubt.class_count), 0.0), 1.0)
