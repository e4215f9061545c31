"""The doubt of a network that was taught on images of a generator to know nothing."""

from collections.abc import Iterable
from typing import Literal

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.another_network import doubt_of_another
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from shared.quantities import geometric_cuts


@sampled_scores.register("lee_gan")
class LeeGan:
    """`max_softmax` of *another* network than the one that is judged: one trained to be unsure on drawn images.

    It judges the main network's mask with a doubt that is not its own. The price is one pass of the second network.

    Source:
        Lee, Lee, Lee and Shin 2017; "Lee-2017" of Karimi and Gholipour 2022, III-D (e). Differs: there the network
        that was so trained segments too; here it doubts beside the segmenter, so that every method judges the same
        masks. The training is in `training.lee_gan`.
    """

    source: Literal["lee_gan"] = "lee_gan"
    needs = "lee_gan"
    passes: int | None = 1
    quantity = uncertainty_quantity(
        "lee_gan", "Lee's GAN training: 1 - mean largest probability", geometric_cuts(1e-5, 0.3), high=0.5
    )

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 0.5]; None without probabilities. Looks at the first answer alone.

        Raises:
            TooFewCases: there is none.
        """
        return doubt_of_another(answers)
