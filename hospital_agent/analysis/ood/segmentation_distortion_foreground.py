"""How much the segmentation changes, around what was found, when the features are made more like those of training."""

from dataclasses import dataclass

from hospital_agent.analysis.ood import Observation, ood_scores
from hospital_agent.analysis.ood.distorted import DistortionReference
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.segmentation.base import Segmentation


@ood_scores.register("segmentation_distortion_foreground")
@dataclass(frozen=True)
class SegmentationDistortionForeground(DistortionReference):
    """`segmentation_distortion` inside the predicted foreground (any label) grown by about 4 mm.

    Over the whole image a small organ and a large one of the same quality differ by their size alone; here they do not.
    It cannot see what only the reconstruction finds far away from everything that was predicted. In [0, 2/C]; higher
    means that more of the answer hangs on unfamiliar features; undefined where nothing is predicted.

    Source:
        Eq. 4 of Lennartz and Schultz, Segmentation Distortion, 2023, over this region instead of the image; ours.
    """

    name = "segmentation_distortion_foreground"
    quantity = raw_quantity(name, "Change of the segmentation around the foreground", (1e-7, 0.5), high=1.0)
    wire_quantity = log10_quantity(name, "Change of the segmentation around the foreground")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, C) mean squared change of each class's softmax there; None without autoencoder or foreground."""
        distortion = segmentation.distortion
        if distortion is None or distortion.by_class_foreground is None:
            return None
        return distortion.by_class_foreground[None]

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 2/C]; None without autoencoder or foreground."""
        return self.mean(None if segmentation.distortion is None else segmentation.distortion.by_class_foreground)
