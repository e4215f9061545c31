"""The doubt of a network that was taught on foreign images to know nothing."""

from typing import Literal

from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.another_network import DoubtOfAnother, doubt_quantity


@sampled_scores.register("outlier_exposure")
class OutlierExposure(DoubtOfAnother):
    """The doubt of a network that was trained to be unsure on outliers.

    Source:
        Hendrycks, Mazeika and Dietterich 2018; "Outlier Exposure" of Karimi and Gholipour 2022, III-D (d). Differs:
        there the exposed network segments too; here it doubts beside the segmenter, so that every method judges the
        same masks. The training is in `training.outlier_exposure`.
    """

    source: Literal["outlier_exposure"] = "outlier_exposure"
    needs = "outlier_exposure"
    quantity = doubt_quantity("outlier_exposure", "Outlier exposure")
