"""A whole report from drawn rows: every part is there, and its numbers are those of results.csv."""

import json
import struct
from dataclasses import replace

import pytest

from hospital_agent.evaluation.method_tables import overview
from hospital_agent.evaluation.report import write_report
from hospital_agent.evaluation.results import Results
from hospital_agent.evaluation.results_csv import read_results
from hospital_agent.evaluation.results_page import results_page
from hospital_agent.evaluation.rows import Condition, Method
from tests.scored_rows import drawn_rows, scored

NOISE = {"fused_quality": 0.03, "mahalanobis": 0.2, "max_softmax": 0.4}
METHODS = [
    Method("fused_quality", supervised=True),
    Method("mahalanobis", source="González 2021"),
    Method("max_softmax", source="González 2021"),
    Method("deep_knn", not_applicable="one class only"),
]
FIGURES = ("dice_against_uncertainty", "rank_correlations", "scores_in_and_out", "risk_coverage", "calibration")
RUN = {
    "task": "phantom",
    "command": "hospital-agent evaluate --task phantom",
    "seeds": [0, 1, 2],
    "training": "7 steps",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    (out / "run.json").write_text(json.dumps(RUN))
    write_report(out, drawn_rows(NOISE, patients=6), METHODS, draws=60)
    return out


def line_of(text: str, heading: str, method: str) -> list[str]:
    """The cells of a method's line in the table under a heading."""
    section = text.partition(f"## {heading}")[2].partition("\n## ")[0]
    (line,) = [line for line in section.splitlines() if line.startswith(f"| `{method}`")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_tables_hold_the_numbers_of_results_csv(folder):
    text, results = (folder / "report.md").read_text(), Results(read_results(folder / "results.csv"))
    cells = line_of(text, "All methods", "mahalanobis")
    macro, error = (results.overall("mahalanobis", column) for column in ("normalised_aurc", "detection_error"))
    assert cells[1] == f"{macro.mean:.3f} ± {macro.sd:.3f}"
    assert cells[5] == f"{error.mean:.3f}"
    spikes = results.of("max_softmax", "spearman", "spikes").mean
    assert line_of(text, "Spearman by shift family", "max_softmax")[3] == f"{spikes:.3f}"


def test_methods_are_sorted_marked_and_refused_with_their_reason(folder):
    text = (folder / "report.md").read_text()
    order = [text.index(f"| `{name}`") for name in ("fused_quality", "mahalanobis", "max_softmax")]
    assert order == sorted(order)
    assert "`fused_quality` (learned)" in text
    assert "`shift_strength` (trivial)" in text
    assert "`volume` (trivial)" in text
    assert "`deep_knn`: not applicable: one class only" in text
    assert RUN["command"] in text


def test_what_runs_beside_a_pass_is_told(folder):
    assert line_of((folder / "report.md").read_text(), "All methods", "max_softmax")[-3] == "1"
    methods = [Method("mahalanobis", beside="decoder"), Method("max_softmax", passes=2)]
    results = Results(read_results(folder / "results.csv"))
    shown = [one for one in results.ranked() if one != "fused_quality"]
    told = overview(replace(results, rows=[row for row in results.rows if row.method in shown]), methods)
    assert line_of(f"## All\n{told}", "All", "mahalanobis")[-3] == "1 + decoder"
    assert line_of(f"## All\n{told}", "All", "max_softmax")[-3] == "2"
    assert "what stands after + runs for every case" in told


def test_the_papers_stand_beside(folder):
    text = (folder / "report.md").read_text()
    assert "detection error 0.082, fpr at 95 tpr 0.05" in line_of(text, "All shifts together", "mahalanobis")[-1]
    assert "0.334" in line_of(text, "All methods", "max_softmax")[-1]


def test_sentences_follow_the_numbers(folder):
    told = json.loads((folder / "summary.json").read_text())
    assert told["chosen"] == "fused_quality"
    said = " ".join(told["findings"])
    assert said.startswith("Cases are ordered best by `fused_quality`")
    assert "`fused_quality` beats 4 of 4 others" in said
    assert all(sentence in (folder / "report.md").read_text() for sentence in told["findings"])


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_small_pngs_900_pixels_wide(folder, name):
    pytest.importorskip("matplotlib")
    written = (folder / f"{name}.png").read_bytes()
    assert written[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", written[16:20]) == (900,)
    assert len(written) < 250_000
    assert f"({name}.png)" in (folder / "report.md").read_text()


def test_the_page_holds_every_task_method_and_command(folder):
    page = results_page([folder, folder])
    told = page.partition("## Where the default does not win, and why")[2].partition("## ")[0]
    assert told.count("phantom: level with ") == 2
    assert "beaten by" in told
    assert page.count(RUN["command"]) == 2
    for method in METHODS:
        assert f"`{method.name}`" in page
    assert "n/a: one class only" in page
    assert "beats the other method in 8 of 8 comparisons" in page
    assert "González 2021, Table 1" in page
    macro = Results(read_results(folder / "results.csv")).overall("mahalanobis", "normalised_aurc")
    cells = line_of(page, "Normalised AURC: every method on every task", "mahalanobis")
    assert cells[1:] == [f"{macro.mean:.3f} ± {macro.sd:.3f}"] * 2


def test_a_method_that_a_seed_leaves_undefined_says_over_how_many_it_is(tmp_path):
    rows = [
        replace(row, values={**row.values, "late": None if row.seed == 0 else row.values["late"]})
        for row in drawn_rows({"late": 0.1}, patients=4)
    ]
    write_report(tmp_path, rows, [Method("late")], draws=10, figures=False)
    said = json.loads((tmp_path / "summary.json").read_text())["findings"][0]
    assert ", 2 of them)" in said
    assert "over 3 seeds" in said


def test_without_the_chosen_method_there_is_no_comparison(tmp_path):
    write_report(
        tmp_path,
        drawn_rows({"mahalanobis": 0.2}, seeds=1, patients=4),
        [Method("mahalanobis")],
        draws=20,
        figures=False,
    )
    told = json.loads((tmp_path / "summary.json").read_text())
    assert (told["chosen"], told["differences"]) == (None, [])
    assert "against each other method" not in (tmp_path / "report.md").read_text()


def test_a_task_without_shifts_or_without_any_defined_score_is_told_and_not_refused(tmp_path):
    rows = [scored(name, dice, {"s": None}) for name, dice in (("a", 0.9), ("b", None), ("c", 0.4))]
    write_report(tmp_path, rows, [Method("s")], draws=10, figures=False)
    text = (tmp_path / "report.md").read_text()
    assert "| unshifted | 0 | 3 | 0.650 ± 0.250 (1 undefined) | 1 (50%) |" in text
    assert line_of(text, "All methods", "s")[1] == "–"


def test_a_loss_is_said_as_a_loss(tmp_path):
    write_report(
        tmp_path, drawn_rows({"fused_quality": 0.5, "mahalanobis": 0.02}), METHODS[:2], draws=60, figures=False
    )
    said = " ".join(json.loads((tmp_path / "summary.json").read_text())["findings"])
    assert "it loses to `mahalanobis` (-" in said
    assert said.startswith("Cases are ordered best by `mahalanobis`")


def test_nothing_at_all_is_written_as_nothing(tmp_path):
    write_report(tmp_path, [], [Method("s")], {"task": "empty"}, draws=5, figures=False)
    assert "# empty" in (tmp_path / "report.md").read_text()
    assert read_results(tmp_path / "results.csv") == []


def test_sites_as_shifts_need_no_strengths(tmp_path):
    rows = drawn_rows({"s": 0.1}, seeds=2, patients=3)
    sites = [row for row in rows if row.condition.strength < 2]
    assert {row.condition for row in sites} >= {Condition("spikes", 1)}
    write_report(tmp_path, sites, [Method("s")], draws=10, figures=False)
    lines = {(row.shift, row.strength) for row in read_results(tmp_path / "results.csv")}
    assert lines == {
        ("none", "0"),
        ("bias_field", "1"),
        ("bias_field", "all"),
        ("spikes", "1"),
        ("spikes", "all"),
        ("macro", "all"),
    }
