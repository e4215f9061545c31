"""How far the answers of a network lie apart when its dropout stays on."""

from collections.abc import Iterable
from typing import Literal

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.answers import taken_together
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import mean_over
from shared.quantities import geometric_cuts

PASSES = 10


@sampled_scores.register("mc_dropout")
class McDropout:
    """Standard deviation of the foreground probability over ten passes with dropout, mean over the whole image.

    With several classes it is the mean over all of them, background included, of their standard deviations; for two
    that is the same. It is divided by the number of passes, not by one less, so that it ends at 0.5.

    Source:
        Gal and Ghahramani 2016, as used by González et al. 2021: ten passes, "the standard deviation between outputs".
    """

    source: Literal["dropout"] = "dropout"
    passes: int | None = PASSES
    quantity = uncertainty_quantity(
        "mc_dropout", "SD over passes with dropout, whole image", geometric_cuts(1e-6, 0.3), high=0.5
    )

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 0.5]; None without probabilities.

        Raises:
            TooFewCases: fewer than two answers.
        """
        together = taken_together(answers, spread=True)
        return None if together is None else mean_over(together.standard_deviation())


@sampled_scores.register("mc_dropout_foreground")
class McDropoutForeground:
    """The same standard deviation, mean over what the mean of the passes takes for foreground (any label)."""

    source: Literal["dropout"] = "dropout"
    passes: int | None = PASSES
    quantity = uncertainty_quantity(
        "mc_dropout_foreground", "SD over passes with dropout, inside the predicted foreground", high=0.5
    )

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 0.5]; None without probabilities or foreground.

        Raises:
            TooFewCases: fewer than two answers.
        """
        together = taken_together(answers, spread=True)
        return None if together is None else mean_over(together.standard_deviation(), together.doubt().foreground)
