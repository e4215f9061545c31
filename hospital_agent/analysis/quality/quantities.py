"""What the quality model says of a case, as quantities that are stored, watched and summarised like any other."""

from shared.quantities import Quantity, linear_cuts

PREDICTED_DICE = Quantity(
    name="predicted_dice",
    unit="Dice",
    direction="higher_is_better",
    low=0.0,
    high=1.0,
    version=1,
    cuts=linear_cuts(0.0, 1.0),
    label="Predicted Dice",
)

FAILURE_PROBABILITY = Quantity(
    name="failure_probability",
    unit="probability",
    direction="higher_is_worse",
    low=0.0,
    high=1.0,
    version=1,
    cuts=linear_cuts(0.0, 1.0),
    label="Probability of failure (Dice below 0.6)",
)

QUALITY_QUANTITIES = (PREDICTED_DICE, FAILURE_PROBABILITY)
