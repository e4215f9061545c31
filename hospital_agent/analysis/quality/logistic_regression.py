"""The quality model that is shipped: logistic regression over five bins of Dice, read from plain JSON."""

from hospital_agent.analysis.quality import quality_models
from hospital_agent.analysis.quality.bins import BinModel
from hospital_agent.analysis.quality.viewed import ViewedQualityModel


@quality_models.register("logistic_regression")
class LogisticQualityModel(ViewedQualityModel):
    """Predicts the Dice of a mask that nobody has looked at, from scores of the mask and of the network.

    Multinomial logistic regression (balanced classes, standardised inputs) over five equal bins of Dice; the
    predicted Dice is the expectation over bin centres, the failure probability is calibrated on patients that the
    model had not seen. Where a mask was supplied by another product and nothing is known of the network that made
    it, a second view on the mask's features alone answers.

    Source:
        González et al., "Quality monitoring of federated Covid-19 lesion segmentation", 2021. Differs: bin centres
        instead of class/5, frequencies of training put back, calibrated probability, interval, network scores.
    """

    kind = "logistic_regression"
    estimator = BinModel
