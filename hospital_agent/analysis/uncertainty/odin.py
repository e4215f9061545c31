"""The largest probability of a flattened softmax, after the image was moved towards higher confidence."""

from collections.abc import Iterable
from typing import Literal

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.maps import least_at
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from hospital_agent.analysis.uncertainty.temperature_softmax import mean_at
from hospital_agent.analysis.uncertainty.voxels import doubt_of


@sampled_scores.register("odin")
class Odin:
    """1 - mean over the whole image of the largest of softmax(log p / T), p of the image after a step of `epsilon`.

    The step climbs the confidence of the network itself; familiar images gain more by it than unfamiliar ones. The one
    answer is that of `GradientSegmenter.perturb` with this `temperature` and this `epsilon`; its probabilities are at
    temperature 1, and are flattened here.

    Source:
        Liang, Li and Srikant 2018 (T = 1000, epsilon = 0.0014 on inputs of about unit variance). Karimi and Gholipour
        2022 compare with it and say neither T nor epsilon. Differs: mean over voxels, log p for the logits, and epsilon
        is not tuned on OOD data, which a hospital does not have.
    """

    temperature = 1000.0
    epsilon = 0.0014  # in the units of the network's normalised input
    source: Literal["gradient"] = "gradient"
    passes: int | None = 2
    quantity = uncertainty_quantity(
        "odin",
        "ODIN: 1 - mean largest probability after a step towards confidence",
        low=least_at(temperature),
        high=0.5,
    )

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0.496, 0.5]; None without probabilities. Looks at the first answer alone.

        Raises:
            TooFewCases: there is none.
        """
        answer = next(iter(answers), None)
        if answer is None:
            raise TooFewCases("ODIN looks at the answer to a perturbed image; there is none.")
        doubt = doubt_of(answer)
        return None if doubt is None else mean_at(doubt, self.temperature)
