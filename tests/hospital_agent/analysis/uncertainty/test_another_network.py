"""The doubt of a second network, on paper."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.uncertainty.lee_gan import LeeGan
from hospital_agent.analysis.uncertainty.outlier_exposure import OutlierExposure
from tests.patches import segmentation_of


@pytest.mark.parametrize("score", [OutlierExposure, LeeGan])
def test_is_one_minus_the_mean_largest_probability_of_the_first_answer(
    score: type[OutlierExposure] | type[LeeGan],
) -> None:
    case = segmentation_of(np.array([[[0.25, 0.75, 0.0, 0.5]]], dtype=np.float32))
    sure = segmentation_of(np.ones((1, 1, 4), dtype=np.float32))
    assert score().compute([case, sure]) == pytest.approx((0.25 + 0.25 + 0 + 0.5) / 4)


@pytest.mark.parametrize("score", [OutlierExposure, LeeGan])
def test_says_whose_answer_it_needs_and_that_it_costs_one_pass(score: type[OutlierExposure] | type[LeeGan]) -> None:
    assert score.source == score.needs == score.quantity.name
    assert score.passes == 1


@pytest.mark.parametrize("score", [OutlierExposure, LeeGan])
def test_no_answer_is_refused(score: type[OutlierExposure] | type[LeeGan]) -> None:
    with pytest.raises(TooFewCases, match="trained for doubting"):
        score().compute([])
