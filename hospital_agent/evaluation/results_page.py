"""docs/results.md from the folders of several evaluations: every method on every task, beside the papers.

    python -m hospital_agent.evaluation.results_page OUT1 OUT2 ... > docs/results.md

Each folder holds what `report.write_report` and the runner wrote: results.csv, summary.json, run.json; or what a study
wrote, which has a section of its own. No number on the page is written by hand: ours come from these files, the papers'
from `paper_numbers`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hospital_agent.analysis.metrics.patient_bootstrap import DRAWS, LEVEL
from hospital_agent.evaluation.bootstrap import Difference
from hospital_agent.evaluation.markdown import UNDEFINED, bullets, listed, number, over_seeds, signed, table
from hospital_agent.evaluation.method_tables import TITLES, comparison, marked
from hospital_agent.evaluation.paper_numbers import PaperNumber, numbers_of
from hospital_agent.evaluation.refinement.told import HEADING, section
from hospital_agent.evaluation.report import HOW_TO_READ, INTERVALS, RESULTS, RUN, SUMMARY, facts
from hospital_agent.evaluation.results import OverSeeds, Results
from hospital_agent.evaluation.results_csv import read_results
from hospital_agent.evaluation.rows import Method
from hospital_agent.evaluation.studies.section import is_study, section_of
from hospital_agent.evaluation.weighted import MEASURES


@dataclass(frozen=True)
class Evaluation:
    """One task, as its folder tells it."""

    task: str
    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    results: Results

    @classmethod
    def read(cls, folder: Path) -> "Evaluation":
        """From results.csv, summary.json and run.json.

        Raises:
            FileNotFoundError: one of them is missing: the evaluation has not ended.
        """
        run, summary = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (RUN, SUMMARY))
        results = Results(read_results(folder / RESULTS))
        return cls(results.rows[0].task if results.rows else str(run.get("task", folder.name)), run, summary, results)

    @property
    def methods(self) -> tuple[Method, ...]:
        """Every method, those that cannot run too."""
        return tuple(Method(**told) for told in self.summary["methods"])

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The chosen method against the others."""
        return tuple(Difference(**{**told, "seeds": tuple(told["seeds"])}) for told in self.summary["differences"])


def results_page(folders: Sequence[Path]) -> str:
    """The page in Markdown, tasks in the order of the folders."""
    evaluations = [Evaluation.read(folder) for folder in folders if not is_study(folder)]
    parts = ["# Results\n", INTRODUCTION, bullets(_over_tasks(evaluations)), HOW_TO_READ + "\n"]
    for column, title in (("normalised_aurc", "Normalised AURC"), ("spearman", "Spearman with 1 - Dice")):
        parts += [f"## {title}: every method on every task\n", _everything(evaluations, column)]
    parts += ["## Where the default does not win, and why\n", _not_won(evaluations), WHY]
    parts += ["## The papers' claims, here\n", CLAIMED, _claims(evaluations)]
    parts += [part for evaluation in evaluations for part in _task(evaluation)]
    parts += [part for folder in folders if is_study(folder) for part in section_of(folder)]
    parts += ["## Beside the papers\n", BESIDE, _beside_the_papers(evaluations)]
    return "\n".join(parts)


INTRODUCTION = """Made by `python -m hospital_agent.evaluation.results_page` from the files that each run wrote; every \
number and every sentence about numbers comes from them. The commands stand with each task.
"""
WHY = """What stands behind it:

- **Few patients.** The intervals are over test patients; a difference that all seeds share may still be none.
- **The same doubt.** The strongest rivals are confidences inside the predicted foreground. They are inputs of the \
fused score; where one already orders the cases nearly as an oracle would, nothing is left to add.
- **Several passes see more.** Dropout and ensembles show how the answer changes with the network, which one pass \
cannot. They cost as many passes as the tables say.
- **It has to learn.** From some dozens of validation patients, and never from the family that it is tested on. With \
very few of them, or without failed and good masks among them, a score that needs no training is the better choice.
"""
CLAIMED = """In words of ours, and what the numbers of each task say. Spearman with 1 - Dice: "it holds" where the \
whole paired interval over test patients lies above 0. AUC of shifted against unshifted images: in how many seeds. Our \
shifts are simulated, except for the sites of `chest_ct`; a claim about scanners is not refuted by them.
"""
BESIDE = """The papers' numbers are of other images, networks and shifts: the last column says what keeps the two from \
being the same number. Ours: all shifts of a task together, mean over seeds.
"""


def _over_tasks(evaluations: Sequence[Evaluation]) -> list[str]:
    """One sentence a measure: how often the chosen method is first, and against whom it does not win."""
    told = []
    for chosen in dict.fromkeys(one.summary["chosen"] for one in evaluations if one.summary["chosen"]):
        its = [one for one in evaluations if one.summary["chosen"] == chosen]
        for measure in MEASURES:
            found = [(one.task, each) for one in its for each in one.differences if each.measure == measure]
            known = [(task, each) for task, each in found if each.estimate is not None]
            beats, loses = (sum(getattr(each, verdict) for _, each in known) for verdict in ("beats", "beaten"))
            ahead = {task for task, _ in known} - {task for task, each in known if each.estimate < 0}  # type: ignore[operator]
            lost = listed(
                [f"`{each.other}` on {task} ({signed(each.estimate)})" for task, each in known if each.beaten]
            )
            against = f"{beats} of {len(known)} comparisons"
            told.append(
                f"{TITLES[measure][0].upper()}{TITLES[measure][1:]}: over "
                f"{len(its)} tasks `{chosen}` beats the other method in {against} and loses in {loses}"
                f"{f': {lost}' if lost else ''}; it has the highest mean on "
                f"{listed(sorted(ahead)) if ahead else 'no task'}."
            )
    return told


def _not_won(evaluations: Sequence[Evaluation]) -> str:
    """For each task, whom the chosen method cannot be told apart from in normalised AURC, and who beats it."""
    told = []
    for one in evaluations:
        if not one.summary["chosen"]:
            continue
        known = [each for each in one.differences if each.measure == "normalised_aurc" and each.estimate is not None]
        level = [f"`{each.other}` ({signed(each.estimate)})" for each in known if not each.beats and not each.beaten]
        lost = [f"`{each.other}` ({signed(each.estimate)})" for each in known if each.beaten]
        if not known:
            told.append(f"{one.task}: it could not learn there, and is not compared.")
            continue
        by = f"beaten by {listed(lost)}" if lost else "beaten by none"
        told.append(f"{one.task}: level with {listed(level) if level else 'none'}; {by}.")
    return bullets(told)


def _claims(evaluations: Sequence[Evaluation]) -> str:
    """Each claim with what every task says of it; claims that no task says anything of are left out."""
    found: dict[str, list[str]] = {}
    for one in evaluations:
        for told in one.summary.get("claims", ()):
            lines = found.setdefault(f"{told['source']}: {told['claim']}.", [])
            lines.append(f"  - {one.task}: {told['here']}.\n")
    return "".join(f"- {claim}\n{''.join(lines)}" for claim, lines in found.items()) or bullets([])


def _everything(evaluations: Sequence[Evaluation], column: str) -> str:
    """Macro means, mean ± SD over seeds; methods by their mean rank over the tasks, best first."""
    methods = {method.name: method for evaluation in evaluations for method in evaluation.methods}
    ranks = {name: _mean_rank(evaluations, name, column) for name in methods}
    lines = [
        [marked(methods[name]), *(_cell(evaluation, name, column) for evaluation in evaluations)]
        for name in sorted(methods, key=lambda name: ranks[name])
    ]
    return table(["method", *(f"{evaluation.task}" for evaluation in evaluations)], lines)


def _mean_rank(evaluations: Sequence[Evaluation], name: str, column: str) -> float:
    places = [
        evaluation.results.ranked(column).index(name)
        for evaluation in evaluations
        if evaluation.results.overall(name, column) is not None
    ]
    return sum(places) / len(places) if places else float("inf")


def _cell(evaluation: Evaluation, name: str, column: str) -> str:
    found = evaluation.results.overall(name, column)
    if found is not None:
        return over_seeds(found)
    told = [method for method in evaluation.methods if method.name == name]
    if not told:
        return "not run"
    return f"n/a: {told[0].not_applicable}" if told[0].not_applicable else UNDEFINED


def _task(evaluation: Evaluation) -> list[str]:
    run, chosen = evaluation.run, evaluation.summary["chosen"]
    parts = [f"## {evaluation.task}\n", facts(run, evaluation.results.seeds), bullets(evaluation.summary["findings"])]
    differences = evaluation.differences
    if differences and chosen:
        draws = evaluation.summary.get("draws", DRAWS)
        parts.append(INTERVALS.format(level=LEVEL, draws=draws, patients=differences[0].patients) + "\n")
        parts.append(comparison(differences, chosen))
    parts += [evaluation.summary["dice_per_condition"], evaluation.summary["segmentation"]]
    return parts + section(f"### {evaluation.task}: {HEADING}", run["refinement"]) if run.get("refinement") else parts


def _beside_the_papers(evaluations: Sequence[Evaluation]) -> str:
    names = dict.fromkeys(method.name for evaluation in evaluations for method in evaluation.methods)
    lines = [
        [
            f"`{name}`",
            f"{told.source}: {told.data}",
            _paper(told),
            *(_ours(evaluation, name, told) for evaluation in evaluations),
            told.difference,
        ]
        for name in names
        for told in numbers_of(name)
    ]
    return table(["method", "paper", "its number", *(one.task for one in evaluations), "what differs"], lines)


def _paper(told: PaperNumber) -> str:
    return told.says or ", ".join(f"{_title(name)} {value:.3g}" for name, value in told.measures.items())


def _ours(evaluation: Evaluation, name: str, told: PaperNumber) -> str:
    pooled = evaluation.summary["pooled"].get(name)
    if pooled is None:
        return UNDEFINED
    if not told.measures:
        found: OverSeeds | None = evaluation.results.overall(name, "spearman")
        return f"Spearman {over_seeds(found)}"
    return ", ".join(f"{_title(measure)} {number(pooled.get(measure))}" for measure in told.measures)


def _title(measure: str) -> str:
    return measure.replace("_", " ")


if __name__ == "__main__":
    sys.stdout.write(results_page([Path(name) for name in sys.argv[1:]]))
