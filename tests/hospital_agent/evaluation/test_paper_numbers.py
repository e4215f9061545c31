import pytest

from hospital_agent.evaluation.paper_numbers import NUMBERS, cell, numbers_of
from hospital_agent.evaluation.pooled import COLUMNS


def test_every_number_says_where_it_is_from_and_why_ours_differs():
    for told in NUMBERS:
        assert told.source
        assert told.data
        assert told.difference
        assert told.measures or told.says


def test_every_measure_has_a_column_of_ours_to_stand_beside():
    assert {name for told in NUMBERS for name in told.measures} <= set(COLUMNS)


def test_table_1_of_2021_is_what_its_counts_give():
    """35 in-distribution and 120 foreign cases; methods.md B1 decodes the printed values into counts."""
    for method, foreign_let_through, let_through in (
        ("mahalanobis", 6, 31),
        ("mc_dropout", 22, 29),
        ("max_softmax", 70, 32),
    ):
        printed = numbers_of(method)[0].measures
        fpr, tpr = foreign_let_through / 120, let_through / 35
        assert printed["fpr_at_95_tpr"] == pytest.approx(fpr, abs=6e-4)
        assert printed["detection_error"] == pytest.approx((1 - tpr + fpr) / 2, abs=6e-4)


def test_sensitivities_of_the_quality_paper_are_its_counts():
    counts = {"logistic_regression": (5, 28), "svm": (3, 25), "ridge": (3, 5), "svr": (1, 13), "mlp": (2, 13)}
    for method, (of_8, of_37) in counts.items():
        challenge, mosmed = (told.measures["failure_sensitivity"] for told in numbers_of(method))
        assert challenge == pytest.approx(of_8 / 8, abs=0.0051)
        assert mosmed == pytest.approx(of_37 / 37, abs=0.0051)


def test_several_tables_of_a_paper_become_a_range():
    assert cell("odin", ("auc",)) == "auc 0.59 to 0.73 (Karimi and Gholipour 2022)"
    assert cell("mahalanobis", ("aurc",)) == "aurc 0.15 to 0.285 (Zenk et al.)"
    assert cell("mahalanobis", ("aurc",), ("González 2021",)) == ""
    assert cell("volume", ("auc",)) == ""
