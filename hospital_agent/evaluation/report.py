"""report.md, results.csv, summary.json and the figures of one evaluated task, from its scored rows alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hospital_agent.analysis.metrics.patient_bootstrap import DRAWS, LEVEL
from hospital_agent.evaluation.bootstrap import Difference, compare
from hospital_agent.evaluation.cases import Cases, with_trivial
from hospital_agent.evaluation.claims import checked
from hospital_agent.evaluation.findings import findings, undefined_cases
from hospital_agent.evaluation.markdown import bullets, listed
from hospital_agent.evaluation.method_tables import as_in_2021, as_in_2022, comparison, overview, per_family
from hospital_agent.evaluation.pooled import Pooled, pooled
from hospital_agent.evaluation.refinement.told import HEADING, section
from hospital_agent.evaluation.results import Results
from hospital_agent.evaluation.results_csv import write_results
from hospital_agent.evaluation.rows import Method, Scored
from hospital_agent.evaluation.segmentation_tables import dice_per_condition, segmentation
from hospital_agent.evaluation.summary import result_rows

CHOSEN = "fused_quality"
RESULTS, SUMMARY, RUN, REPORT = "results.csv", "summary.json", "run.json", "report.md"
TOLD = ("patients", "rows", "training", "members", "device", "seconds", "versions", "notes")
HOW_TO_READ = """All scores: higher is worse. `n` cases of a row are unshifted test cases and those of one shift \
family; "macro" is the mean over families. Normalised AURC: 1 is the best order of cases by 1 - Dice, 0 a random one. \
Failure sensitivity: share of failures (Dice < 0.6, or a label that only mask or only reference has) above the \
threshold that spares 90 % of the good cases. Detection error and FPR: unshifted is positive, the threshold holds 95 % \
of the unshifted validation cases. "learned" methods learned from shifted validation images, never from the family \
they are tested on and never from a test patient; "trivial" ones are what a method must beat to say anything. Numbers \
after ± are the SD over seeds, each seed with its own split, training and shifts."""
INTERVALS = """{level:.0%} intervals of {draws} paired draws of test patients ({patients} people), each with all \
images, conditions and seeds, on cases that both methods score; statistics are computed within a seed and family and \
averaged. "beats": the interval lies above 0. The range and SD over seeds stand behind it: the interval holds the \
trained networks fixed. Not corrected for the number of comparisons."""


def write_report(
    out: Path,
    rows: Sequence[Scored],
    methods: Sequence[Method],
    run: Mapping[str, Any] | None = None,
    draws: int = DRAWS,
    *,
    figures: bool = True,
) -> None:
    """Write everything that is made from scored rows into an existing folder.

    Args:
        rows: of one task, validation and test, all seeds.
        methods: what the tables hold; the trivial ones are added.
        run: what the runner says of the run; read from `out/run.json` where not given.
        draws: of the bootstrap.
        figures: False leaves them out.
    """
    methods = with_trivial(methods)
    told = _run(out) if run is None else run
    lines = result_rows(rows, methods)
    write_results(out / RESULTS, lines)
    results = Results(lines)
    chosen = CHOSEN if any(Cases.of([row], CHOSEN).scores.size for row in rows if row.split == "test") else None
    differences = compare(rows, methods, chosen, draws) if chosen else []
    together = {name: pooled(rows, name) for name in results.methods}
    said = findings(results, methods, differences, chosen)
    claims = checked(rows, methods, results, draws)
    summary = {**_summary(methods, differences, together, said, chosen, draws, rows), "claims": claims}
    (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    drawn = _figures(out, rows, methods, results, chosen) if figures else ""
    said += [f"{one['source']}: {one['claim']}. Here {one['here']}." for one in claims]
    text = _text(told, rows, methods, results, differences, together, said, chosen, draws) + drawn
    (out / REPORT).write_text(text, encoding="utf-8")


def _run(out: Path) -> dict[str, Any]:
    path = out / RUN
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return told


def _summary(
    methods: Sequence[Method],
    differences: Sequence[Difference],
    together: Mapping[str, Pooled],
    said: Sequence[str],
    chosen: str | None,
    draws: int,
    rows: Sequence[Scored],
) -> dict[str, Any]:
    """What the results page needs beside results.csv."""
    return {
        "chosen": chosen,
        "draws": draws,
        "methods": [asdict(method) for method in methods],
        "differences": [asdict(one) for one in differences],
        "pooled": {name: asdict(one) for name, one in together.items()},
        "findings": list(said),
        "dice_per_condition": dice_per_condition(rows),
        "segmentation": segmentation(rows),
    }


def _figures(out: Path, rows: Sequence[Scored], methods: Sequence[Method], results: Results, chosen: str | None) -> str:
    if find_spec("matplotlib") is None:
        return "\n## Figures\n\nNone: matplotlib is not installed (`pip install 'segwatch[evaluation]'`).\n"
    from hospital_agent.evaluation.plots.from_rows import CAPTIONS, write_figures

    names = write_figures(out, rows, methods, results, chosen)
    return "\n## Figures\n" + "".join(f"\n![{CAPTIONS[name]}]({name}.png)\n\n{CAPTIONS[name]}\n" for name in names)


def _text(
    run: Mapping[str, Any],
    rows: Sequence[Scored],
    methods: Sequence[Method],
    results: Results,
    differences: Sequence[Difference],
    together: Mapping[str, Pooled],
    said: Sequence[str],
    chosen: str | None,
    draws: int,
) -> str:
    task = rows[0].task if rows else str(run.get("task", "nothing"))
    parts = [f"# {task}\n", facts(run, results.seeds), "## What the numbers say\n", bullets(said), HOW_TO_READ + "\n"]
    parts += ["## All methods\n", overview(results, methods)]
    missing = undefined_cases(results)
    if missing:
        named = listed([f"`{name}` {count}" for name, count in missing.items()])
        parts.append(f"Cases without a score are left out of that method's row (mean a seed): {named}.\n")
    if differences and chosen:
        people = INTERVALS.format(level=LEVEL, draws=draws, patients=differences[0].patients)
        parts += [f"## `{chosen}` against each other method\n", people + "\n", comparison(differences, chosen)]
    if results.families:
        parts += ["## Spearman by shift family\n", per_family(results, "spearman")]
        parts += ["## AUC by shift family (shifted against unshifted)\n", per_family(results, "auc")]
    parts += ["## All shifts together, as in González 2021, Table 1\n", as_in_2021(together)]
    parts += [
        "## Shifted is positive, as in Karimi and Gholipour 2022, Tables V to VIII\n",
        PREVALENCE,
        as_in_2022(together),
    ]
    parts += ["## Dice under each condition\n", dice_per_condition(rows), "## Segmentation\n", segmentation(rows)]
    if run.get("refinement"):
        parts += section(f"## {HEADING}", run["refinement"])
    return "\n".join(parts)


PREVALENCE = (
    "Same threshold. Accuracy depends on how many images are shifted; sensitivity and specificity do not. The papers' "
    "numbers are of other images: see `evaluation/paper_numbers.py` for each.\n"
)


def facts(run: Mapping[str, Any], seeds: Sequence[int]) -> str:
    """What was run, on whom, with what; `run` is run.json, whatever it holds of these."""
    command = f"`{run['command']}`\n\n" if run.get("command") else ""
    told = {"seeds": ", ".join(map(str, seeds))}
    told |= {key: _fact(run[key]) for key in TOLD if run.get(key)}
    return command + "".join(f"- {key}: {value}\n" for key, value in told.items())


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
