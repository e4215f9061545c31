import numpy as np
import pytest

from hospital_agent.evaluation.cases import Cases
from hospital_agent.evaluation.plots.quadrants import Panel, draw
from hospital_agent.evaluation.rows import Condition
from tests.scored_rows import scored

pytest.importorskip("matplotlib")
CASES = [(0.9, 0.1), (0.3, 0.2), (0.7, 0.8), (0.1, 0.9), (0.2, 0.4)]


def panel(threshold: float | None) -> Panel:
    rows = [
        scored(f"p{i}", dice, {"s": score}, Condition("blur", 1) if i else Condition())
        for i, (dice, score) in enumerate(CASES)
    ]
    cases = Cases.of(rows, "s")
    return Panel("s", cases, cases.scores, threshold)


def test_each_quadrant_is_counted():
    half = panel(0.5)
    assert half.count(admitted=True, failed=True) == 2
    assert half.count(admitted=True, failed=False) == 1
    assert half.count(admitted=False, failed=True) == 1
    assert half.count(admitted=False, failed=False) == 1
    assert panel(None).count(admitted=True, failed=True) == 3


def test_the_figure_says_the_counts_and_has_both_axes_named():
    (axis,) = draw([panel(0.5)]).axes
    assert axis.get_title(loc="left") == "s: 2 silent of 3 failures"
    assert {text.get_text() for text in axis.texts} == {"2", "1"}
    assert "Dice" in axis.get_ylabel()
    assert "uncertainty" in axis.get_xlabel()
    drawn = np.concatenate([points.get_offsets() for points in axis.collections if len(points.get_offsets())])
    assert {(round(float(y), 3), round(float(x), 3)) for x, y in drawn} >= set(CASES)
