"""report.md, results.csv, summary.json and the figures of the study, from its rows alone."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hospital_agent.analysis.metrics.patient_bootstrap import DRAWS, LEVEL
from hospital_agent.evaluation.markdown import listed
from hospital_agent.evaluation.report import REPORT, RESULTS, RUN, SUMMARY
from hospital_agent.evaluation.several_organs import tables
from hospital_agent.evaluation.several_organs.detection import THRESHOLD_SD, Detected, detected, undefined_methods
from hospital_agent.evaluation.several_organs.differences import FEWEST_PATIENTS, differences
from hospital_agent.evaluation.several_organs.findings import findings
from hospital_agent.evaluation.several_organs.measuring import Judged, Segmented
from hospital_agent.evaluation.several_organs.networks import JOINT_SHARE
from hospital_agent.evaluation.several_organs.paper import SAYS
from hospital_agent.evaluation.studies.section import section

NAME = "several_organs"
HOW = (
    "One network of one head and one foreground label, the organ of interest, is trained on several datasets; it is "
    "not told which an image is from, and datasets are drawn with probability proportional to the square root of their "
    "training images. A joint network takes {share:.0%} of the steps that its datasets take one by one, as in the "
    "paper; fine-tuning adds as many steps to those of the single-task network of the largest other dataset. "
    "DSC, HD95 and ASSD are of the organ; ECE and MCE of voxels within 10 voxels of the reference's boundary."
)
OUT = (
    "For each dataset a joint network is trained without it; its images are foreign to that network, which is positive "
    "here. Other test images are those of the datasets that were trained on. tau is mean + {sd} SD: of the "
    "leave-one-out distances of training images where the score has them (`training`), else of validation images. "
    "Every score is higher for stranger or less certain. Foreign means another organ or modality, which is far; "
    "nothing here says how a score does under a change of scanner."
)
BETWEEN = (
    "{level:.0%} intervals of {draws} paired draws of test patients; with fewer than {fewest} of them a difference is "
    "an example. The networks are held fixed; the range over seeds stands beside."
)


@dataclass(frozen=True)
class Line:
    """One line of results.csv: a strategy on a dataset, or a score against a left-out one."""

    experiment: str
    dataset: str
    method: str
    seed: int
    n: int
    dice: float | None = None
    hd95_mm: float | None = None
    assd_mm: float | None = None
    ece: float | None = None
    mce: float | None = None
    n_foreign: int | None = None
    threshold: float | None = None
    accuracy: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    auc: float | None = None


def write_report(
    out: Path, rows: Sequence[Segmented], judged: Sequence[Judged], run: Mapping[str, Any], draws: int = DRAWS
) -> None:
    """Write everything that is made from rows into an existing folder."""
    found, against = detected(judged), differences(rows, draws=draws)
    said = findings(rows, found, against)
    names = list(dict.fromkeys(one.left_out for one in found))
    between = BETWEEN.format(level=LEVEL, draws=draws, fewest=FEWEST_PATIENTS)
    sections = [
        {
            "title": "Training strategies, as in Table II",
            "text": HOW.format(share=JOINT_SHARE) + "\n\n" + tables.strategies(rows),
        },
        {"title": "Joint against single-task", "text": between + "\n\n" + tables.joint_against_single(against)},
        {"title": "Joint training in the paper (other → joint)", "text": SAYS + "\n\n" + tables.papers_strategies()},
        {
            "title": "Images of a left-out dataset, mean over datasets, as in Tables V to VIII",
            "text": OUT.format(sd=THRESHOLD_SD) + "\n\n" + _undefined(judged) + tables.left_out(found, None),
        },
        *({"title": f"Left out: {name}", "text": tables.left_out(found, name)} for name in names),
    ]
    summary = {
        "study": NAME,
        "findings": said,
        "sections": sections,
        "differences": [asdict(one) for one in against],
        "seeds": list(run["seeds"]),
    }
    (out / RUN).write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    _write_lines(out / RESULTS, rows, judged)
    text = "\n".join(["# Several organs\n", *section(run, summary, "##")])
    (out / REPORT).write_text(text + _figures(out, rows, judged), encoding="utf-8")


def _undefined(judged: Sequence[Judged]) -> str:
    missing = undefined_methods(judged)
    return f"Without a value on any image: {listed([f'`{name}`' for name in missing])}.\n\n" if missing else ""


def _figures(out: Path, rows: Sequence[Segmented], judged: Sequence[Judged]) -> str:
    if find_spec("matplotlib") is None:
        return "\n## Figures\n\nNone: matplotlib is not installed (`pip install 'segwatch[evaluation]'`).\n"
    from hospital_agent.evaluation.plots.style import save
    from hospital_agent.evaluation.several_organs.plots import CAPTIONS, figures

    drawn = figures(rows, judged)
    for name, one in drawn.items():
        save(one, out / f"{name}.png")
    return "\n## Figures\n" + "".join(f"\n![{CAPTIONS[name]}]({name}.png)\n\n{CAPTIONS[name]}\n" for name in drawn)


def _write_lines(path: Path, rows: Sequence[Segmented], judged: Sequence[Judged]) -> None:
    """One line a strategy, dataset and seed, and one a score, left-out dataset and seed; undefined cells are empty."""
    places = dict.fromkeys((one.strategy, one.dataset, one.row.seed) for one in rows)
    lines = [
        _line(place, [one for one in rows if (one.strategy, one.dataset, one.row.seed) == place]) for place in places
    ]
    lines += [_detected_line(one) for one in detected(judged)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Line)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in asdict(line).items()} for line in lines)


def _line(place: tuple[str, str, int], rows: Sequence[Segmented]) -> Line:
    strategy, dataset, seed = place

    def mean(name: str) -> float | None:
        known = [value for one in rows if (value := getattr(one.row, name)) is not None]
        return sum(known) / len(known) if known else None

    return Line(
        "strategies", dataset, strategy, seed, len(rows),
        mean("dice"), mean("hd95_mm"), mean("assd_mm"), mean("ece"), mean("mce"),
    )  # fmt: skip


def _detected_line(one: Detected) -> Line:
    told = {name: getattr(one, name) for name in ("threshold", "accuracy", "sensitivity", "specificity", "auc")}
    return Line("left_out", one.left_out, one.method, one.seed, one.n, n_foreign=one.n_foreign, **told)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
