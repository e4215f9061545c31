"""The outputs of the quality model are quantities like any other."""

from hospital_agent.analysis.quality.quantities import FAILURE_PROBABILITY, PREDICTED_DICE


def test_both_cover_zero_to_one_and_say_which_way_is_worse() -> None:
    for quantity, direction in ((PREDICTED_DICE, "higher_is_better"), (FAILURE_PROBABILITY, "higher_is_worse")):
        assert quantity.direction == direction
        assert quantity.accepts(0.0)
        assert quantity.accepts(1.0)
        assert not quantity.accepts(1.1)
        assert quantity.monitored
