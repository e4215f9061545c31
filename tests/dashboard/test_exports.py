import csv
from io import StringIO

from dashboard import exports
from tests.dashboard_views import point, series


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_window_without_a_number_says_why_and_has_no_zero() -> None:
    told = series([point(0, [0.4, 0.5, 0.6]), point(1, answer="suppressed"), point(2, answer="withheld")])
    found = rows(exports.metric_csv(told))
    assert [row["answer"] for row in found] == ["ok", "suppressed", "withheld"]
    for row in found[1:]:
        assert [row[column] for column in ("n", "undefined", "p10", "p50", "p90")] == [""] * 5


def test_the_baseline_comes_first_and_windows_keep_their_numbers() -> None:
    found = rows(exports.metric_csv(series([point(7, [0.4, 0.5, 0.6])], baseline=point(0, [0.7, 0.8, 0.9]))))
    assert [(row["kind"], row["window"]) for row in found] == [("baseline", "0"), ("window", "7")]
    assert (found[1]["p10"], found[1]["p50"], found[1]["p90"], found[1]["n"]) == ("0.4", "0.5", "0.6", "3")
    assert found[1]["start_at"] == "2026-11-09T00:00:00Z"


def test_every_window_names_its_baseline_and_every_baseline_has_a_row() -> None:
    baselines = (point(0, [0.7], baseline=1), point(3, [0.2], baseline=2))
    told = series([point(1, [0.7]), point(2, [0.3], baseline=None), point(4, [0.3], baseline=2)], baselines[1])
    found = rows(exports.metric_csv(told.model_copy(update={"baselines": baselines})))
    assert [(row["kind"], row["baseline_version"]) for row in found] == [
        ("baseline", "1"), ("baseline", "2"), ("window", "1"), ("window", ""), ("window", "2"),
    ]  # fmt: skip


def test_the_file_is_named_after_what_is_inside() -> None:
    assert exports.file_name(series([])) == "north-clinic_predicted_dice_all.csv"
