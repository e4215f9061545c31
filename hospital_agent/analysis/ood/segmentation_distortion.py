"""How much the segmentation changes when the features are made more like those of training."""

from dataclasses import dataclass

from hospital_agent.analysis.ood import Observation, ood_scores
from hospital_agent.analysis.ood.distorted import DistortionReference
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.segmentation.base import Segmentation


@ood_scores.register("segmentation_distortion")
@dataclass(frozen=True)
class SegmentationDistortion(DistortionReference):
    """Mean over voxels and classes of the squared change of softmax when an autoencoder reconstructs the bottleneck.

    Features may be unusual where it does not matter. The autoencoder was trained to leave the segmentation of training
    cases alone; what it cannot reconstruct is what training never showed, and the rest of the network tells whether
    that decides about the answer. Higher means that more of the answer hangs on unfamiliar features. In [0, 2/C] for C
    classes, and 0 where the autoencoder changes nothing. Most of an image is plain background that no feature could
    turn, so the value is small and grows with what is found; read it against the median of validation.

    Price: not from the same pass alone. Where the network comes in two halves the decoder runs a second time, about
    half a forward pass (`python -m benchmarks.distortion`); any other network runs a second time as a whole.

    Source:
        Eq. 4 of Lennartz and Schultz, Segmentation Distortion, 2023. Differs: over a volume instead of a slice, and
        with overlapping tiles the two *blended* maps are compared, over real voxels. The published code scores norms
        and cross-entropies instead of eq. 4.
    """

    name = "segmentation_distortion"
    quantity = raw_quantity(name, "Change of the segmentation by familiar features", (1e-8, 0.5), high=1.0)
    wire_quantity = log10_quantity(name, "Change of the segmentation by familiar features")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, C) mean squared change of each class's softmax; None without an autoencoder."""
        return None if segmentation.distortion is None else segmentation.distortion.by_class[None]

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 2/C]; None without an autoencoder."""
        return self.mean(None if segmentation.distortion is None else segmentation.distortion.by_class)
