"""The Dice that the network's own probabilities promise."""

import numpy as np

from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import doubt_of


@uncertainty_scores.register("soft_dice_confidence")
class SoftDiceConfidence:
    """1 - 2 sum(p m) / (sum p + sum m), p the foreground probability and m the mask (p > 0.5) on the same grid.

    If voxels were independent with these probabilities, 1 - it would be close to the expected Dice. It is an
    uncertainty here: 0 is certain. An empty mask has no Dice to expect and no value. With several labels it is the mean
    over those that are predicted, each with its own probability and its own mask (where its probability is largest).

    Source:
        Borges et al., "Soft Dice Confidence", arXiv 2402.10665; differs: stored as 1 - it, None for an empty mask.
    """

    quantity = uncertainty_quantity("soft_dice_confidence", "1 - soft Dice confidence", monitored=True)

    def compute(self, segmentation: Segmentation) -> float | None:
        """In [0, 1]; None without probabilities or foreground."""
        doubt = doubt_of(segmentation)
        if doubt is None:
            return None
        promised = [_promised_dice(probability, mask) for probability, mask in doubt.labels() if mask.any()]
        return min(max(1 - float(np.mean(promised)), 0.0), 1.0) if promised else None


def _promised_dice(probability: FloatArray, mask: BoolArray) -> float:
    inside = float(probability[mask].sum(dtype=np.float64))
    return 2 * inside / (float(probability.sum(dtype=np.float64)) + int(np.count_nonzero(mask)))
