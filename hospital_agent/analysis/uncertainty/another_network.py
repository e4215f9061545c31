"""The one answer of a network that was trained for doubting: what its scores have in common."""

from collections.abc import Iterable

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty.max_softmax import MaxSoftmax
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity
from shared.quantities import Quantity, geometric_cuts


class DoubtOfAnother:
    """`max_softmax` of *another* network than the one that is judged.

    It judges the main network's mask with a doubt that is not its own. The price is one pass of the second network.
    """

    passes: int | None = 1

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 0.5]; None without probabilities. Looks at the first answer alone.

        Raises:
            TooFewCases: there is none.
        """
        answer = next(iter(answers), None)
        if answer is None:
            raise TooFewCases(
                "This score looks at the answer of a network that was trained for doubting; there is none."
            )
        return MaxSoftmax().compute(answer)


def doubt_quantity(name: str, training: str) -> Quantity:
    """The quantity of such a score; `training` names how its network was trained."""
    return uncertainty_quantity(name, f"{training}: 1 - mean largest probability", geometric_cuts(1e-5, 0.3), high=0.5)
