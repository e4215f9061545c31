"""The doubt of a network that was taught on images of a generator to know nothing."""

from typing import Literal

from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.another_network import DoubtOfAnother, doubt_quantity


@sampled_scores.register("lee_gan")
class LeeGan(DoubtOfAnother):
    """The doubt of a network that was trained to be unsure on drawn images.

    Source:
        Lee, Lee, Lee and Shin 2017; "Lee-2017" of Karimi and Gholipour 2022, III-D (e). Differs: there the network
        that was so trained segments too; here it doubts beside the segmenter, so that every method judges the same
        masks. The training is in `training.lee_gan`.
    """

    source: Literal["lee_gan"] = "lee_gan"
    needs = "lee_gan"
    quantity = doubt_quantity("lee_gan", "Lee's GAN training")
