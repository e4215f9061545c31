"""The tables of the study, in Markdown."""

from collections.abc import Callable, Sequence

from hospital_agent.evaluation import paper_numbers
from hospital_agent.evaluation.markdown import UNDEFINED, number, over_seeds, signed, table
from hospital_agent.evaluation.segmentation_tables import QUALITIES, mean_sd
from hospital_agent.evaluation.several_organs import detection
from hospital_agent.evaluation.several_organs.detection import COLUMNS, Detected
from hospital_agent.evaluation.several_organs.differences import FEWEST_PATIENTS, Difference
from hospital_agent.evaluation.several_organs.measuring import Segmented
from hospital_agent.evaluation.several_organs.paper import MIXUP, NUMBERS, SEPARATE, MeanSd, Printed

TITLES = {"dice": "DSC", "ece": "ECE", "mce": "MCE"}


def strategies(rows: Sequence[Segmented]) -> str:
    """Table II: DSC, HD95, ASSD, ECE and MCE of each strategy on each dataset, mean ± SD over test images and seeds."""
    lines = []
    for dataset in dict.fromkeys(one.dataset for one in rows):
        for strategy in dict.fromkeys(one.strategy for one in rows):
            cases = [one.row for one in rows if (one.dataset, one.strategy) == (dataset, strategy)]
            values = (mean_sd((read(row) for row in cases), digits) for _, digits, read in QUALITIES)
            people = len({row.patient for row in cases})
            lines.append([dataset, strategy, str(people), str(len(cases)), *values])
    return table(("dataset", "training", "patients", "images", *(title for title, _, _ in QUALITIES)), lines)


def joint_against_single(found: Sequence[Difference]) -> str:
    """Joint minus single-task, with its interval, for each dataset and measure."""
    lines = [
        [
            one.dataset,
            TITLES[one.measure],
            signed(one.estimate),
            "example" if one.low is None else f"{signed(one.low)} to {signed(one.high)}",
            f"{signed(min(one.seeds))} to {signed(max(one.seeds))}" if one.seeds else UNDEFINED,
            _verdict(one),
            str(one.patients),
        ]
        for one in found
    ]
    head = ("dataset", "measure", "joint - single", "95 % interval", "over seeds", "joint is", "patients")
    return table(head, lines)


def left_out(found: Sequence[Detected], name: str | None) -> str:
    """Tables V and VI: accuracy, sensitivity, specificity and AUC of every score against one left-out dataset.

    Args:
        name: of the dataset; None gives the mean over all of them, beside the paper.
    """
    chosen = [one for one in found if name in (None, one.left_out)]
    lines = []
    for method in detection.ranked(chosen):
        values = [over_seeds(detection.over_seeds(chosen, method, column)) for column in COLUMNS]
        own = any(one.from_training for one in chosen if one.method == method)
        beside = [_paper(method)] if name is None else []
        lines.append([f"`{method}`", *values, "training" if own else "validation", *beside])
    beside_head = ["paper"] if name is None else []
    return table(
        ["score", *(column if column != "auc" else "AUC" for column in COLUMNS), "tau from", *beside_head], lines
    )


def papers_strategies() -> str:
    """What the paper prints of the same comparison, on its own datasets: one model each against one model for all."""
    lines = []
    for first in (one for one in NUMBERS if one.training in (SEPARATE, MIXUP)):
        (joint,) = (
            one
            for one in NUMBERS
            if one.training not in (SEPARATE, MIXUP) and (one.table, one.data) == (first.table, first.data)
        )
        lines.append([first.table, first.data, first.training, *_both(first, joint)])
    return table(("table", "data", "against", "DSC", "HD95 (mm)", "ASSD (mm)", "ECE", "MCE"), lines)


def _verdict(one: Difference) -> str:
    if one.better is None:
        return UNDEFINED
    word = "better" if one.better else "worse"
    if one.patients < FEWEST_PATIENTS:
        return f"{word} (example)"
    return word if one.sure else f"{word}, not surely"


def _both(first: Printed, joint: Printed) -> list[str]:
    reads: tuple[Callable[[Printed], MeanSd], ...] = (
        lambda one: one.dice,
        lambda one: one.hd95_mm,
        lambda one: one.assd_mm,
        lambda one: one.ece,
        lambda one: one.mce,
    )
    return [f"{number(read(first)[0], 2)} → {number(read(joint)[0], 2)}" for read in reads]


def _paper(method: str) -> str:
    # Of the two versions of the signature the paper has the published one.
    name = "spectral_signature" if method == "spectral_signature_paper" else method
    return paper_numbers.cell(name, COLUMNS, ("Karimi",)) or UNDEFINED
