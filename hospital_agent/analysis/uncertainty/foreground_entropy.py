"""UNC-Dropout and UNC-Ensemble, the two uncertainties that the 2022 paper compares its spectra with."""

from collections.abc import Iterable
from typing import Literal

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.answers import taken_together
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.voxels import mean_over


class ForegroundEntropy:
    """Entropy of the mean softmax of several answers, mean over the predicted foreground of that mean."""

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 1]; None without probabilities or foreground.

        Raises:
            TooFewCases: fewer than two answers.
        """
        together = taken_together(answers)
        if together is None:
            return None
        doubt = together.doubt()
        return mean_over(doubt.entropy, doubt.foreground)


@sampled_scores.register("unc_dropout")
class UncDropout(ForegroundEntropy):
    """Entropy of the mean softmax of ten passes with dropout, mean over the predicted foreground of that mean.

    Averaged over the foreground it does not grow with the lesion, and it has no value where nothing is found.

    Source:
        Karimi and Gholipour 2022, III-D (a), after Kendall and Gal 2017; differs: entropy sums over all classes (the
        paper writes the one term -p log p), in bits divided by log2 C. Their networks drop 10 % in each layer.
    """

    source: Literal["dropout"] = "dropout"
    passes: int | None = 10
    quantity = uncertainty_quantity(
        "unc_dropout", "Entropy of passes with dropout, inside the predicted foreground", unit="bit"
    )


@sampled_scores.register("unc_ensemble")
class UncEnsemble(ForegroundEntropy):
    """Entropy of the mean softmax of the members, mean over the predicted foreground of that mean.

    Source:
        Karimi and Gholipour 2022, III-D (b), after Mehrtash et al. 2019; differs: as `unc_dropout`. The paper does not
        say over which voxels it averages here; its foreground, as in (a).
    """

    source: Literal["ensemble"] = "ensemble"
    passes: int | None = None
    quantity = uncertainty_quantity(
        "unc_ensemble", "Entropy of the ensemble, inside the predicted foreground", unit="bit"
    )
