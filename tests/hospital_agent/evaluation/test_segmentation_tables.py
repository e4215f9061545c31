from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.segmentation_tables import dice_per_condition, segmentation
from tests.scored_rows import scored

ROWS = [
    scored("a", 0.9, {}),
    scored("b", 0.7, {}),
    scored("a", 0.5, {}, Condition("blur", 2)),
    scored("b", 0.3, {}, Condition("blur", 1), hd95_mm=None),
    scored("v", 0.1, {}, split="validation"),
]


def test_dice_and_failures_of_each_condition_by_hand():
    assert dice_per_condition(ROWS).splitlines()[2:] == [
        "| unshifted | 0 | 2 | 0.800 ± 0.100 | 0 (0%) |",
        "| blur | 1 | 1 | 0.300 ± 0.000 | 1 (100%) |",
        "| blur | 2 | 1 | 0.500 ± 0.000 | 1 (100%) |",
    ]


def test_distances_and_calibration_of_each_family_by_hand():
    assert segmentation(ROWS).splitlines()[2:] == [
        "| unshifted | 2 | 0.800 ± 0.100 | 4.0 ± 2.0 | 0.80 ± 0.40 | 0.100 ± 0.050 | 0.200 ± 0.100 |",
        "| blur | 2 | 0.400 ± 0.100 | 10.0 ± 0.0 (1 undefined) | 2.40 ± 0.40 | 0.300 ± 0.050 | 0.600 ± 0.100 |",
    ]
