"""The one answer of a network that was trained for doubting: what its scores have in common."""

from collections.abc import Iterable

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty.max_softmax import MaxSoftmax


def doubt_of_another(answers: Iterable[Segmentation]) -> float | None:
    """`max_softmax` of the first answer, in [0, 0.5]; None without probabilities.

    Raises:
        TooFewCases: there is none.
    """
    answer = next(iter(answers), None)
    if answer is None:
        raise TooFewCases("This score looks at the answer of a network that was trained for doubting; there is none.")
    return MaxSoftmax().compute(answer)
