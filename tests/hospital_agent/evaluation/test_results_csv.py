import pytest

from hospital_agent.evaluation.results_csv import COLUMNS, read_results, write_results
from hospital_agent.evaluation.rows import Method
from hospital_agent.evaluation.summary import result_rows
from tests.scored_rows import drawn_rows


def test_what_is_written_is_read_again(tmp_path):
    rows = result_rows(drawn_rows({"score": 0.1}, seeds=2, patients=3), [Method("score", supervised=True)])
    write_results(tmp_path / "results.csv", rows)
    again = read_results(tmp_path / "results.csv")
    assert len(again) == len(rows)
    for one, other in zip(rows, again, strict=True):
        for name in COLUMNS:
            wanted = getattr(one, name)
            assert getattr(other, name) == (pytest.approx(wanted, rel=1e-5) if isinstance(wanted, float) else wanted)


def test_the_columns_are_as_agreed_and_undefined_is_empty(tmp_path):
    rows = result_rows(drawn_rows({"score": 0.1}, seeds=1, patients=3), [Method("score")])
    write_results(tmp_path / "results.csv", rows)
    head, first, *_ = (tmp_path / "results.csv").read_text().splitlines()
    assert head == (
        "task,method,shift,strength,seed,n,n_validation_patients,detection_error,tpr_achieved,fpr_at_95_tpr,esce,"
        "spearman,auc,aurc,excess_aurc,normalised_aurc,failure_sensitivity,seconds_per_case,passes,supervised"
    )
    assert first.startswith("phantom,score,none,0,0,3,3,,,,")
    assert first.endswith(",0.5,1,false")
