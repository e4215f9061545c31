"""Tables of methods: all of them at a glance, family by family, and the chosen one against each other one."""

from collections.abc import Mapping, Sequence

from hospital_agent.evaluation.bootstrap import Difference
from hospital_agent.evaluation.cases import ALL, with_trivial
from hospital_agent.evaluation.markdown import UNDEFINED, mean, number, over_seeds, readable, signed, table
from hospital_agent.evaluation.paper_numbers import cell
from hospital_agent.evaluation.pooled import Pooled
from hospital_agent.evaluation.results import Results
from hospital_agent.evaluation.rows import UNSHIFTED, Method
from hospital_agent.evaluation.weighted import MEASURES

BESIDE = ("detection_error", "fpr_at_95_tpr", "aurc", "failure_sensitivity", "auc")
PRINTED_2021 = ("detection_error", "fpr_at_95_tpr", "esce", "dice_admitted", "dice_admitted_sd")
SECOND = (
    "\nPasses: what stands after + runs for every case beside the segmentation's own pass. The time of a decoder or an "
    "autoencoder is not among the seconds a case, and that of another network is.\n"
)
TITLES = {
    "normalised_aurc": "normalised AURC",
    "spearman": "Spearman",
    "failure_sensitivity": "failure sensitivity",
}


def marked(method: Method) -> str:
    """Its name, and what a fair reader must know of it."""
    notes = [word for word, holds in (("trivial", method.trivial), ("learned", method.supervised)) if holds]
    return f"`{method.name}`{f' ({notes[0]})' if notes else ''}"


def overview(results: Results, methods: Sequence[Method]) -> str:
    """Every method, by its macro normalised AURC, best first; those that cannot run at the end, with the reason."""
    head = (
        "method", "norm. AURC", "AURC", "Spearman", "failure sens.", "det. error", "FPR", "AUC", "ESCE",
        "unshifted: norm. AURC", "Spearman", "failure sens.", "cases", "passes", "s a case", "paper",
    )  # fmt: skip
    known = {method.name: method for method in with_trivial(methods)}
    lines = []
    for name in results.ranked():
        method = known[name]
        macro = [mean(results.overall(name, column)) for column in ("detection_error", "fpr_at_95_tpr", "auc", "esce")]
        plain = [mean(results.of(name, column, UNSHIFTED, "0")) for column in MEASURES]
        seconds = results.of(name, "seconds_per_case", UNSHIFTED, "0")
        lines.append(
            [
                marked(method),
                over_seeds(results.overall(name, "normalised_aurc")),
                mean(results.overall(name, "aurc")),
                over_seeds(results.overall(name, "spearman")),
                mean(results.overall(name, "failure_sensitivity")),
                *macro,
                *plain,
                mean(results.overall(name, "n"), 0),
                method.price,
                UNDEFINED if seconds is None else f"{seconds.mean:.2g}",
                cell(name, BESIDE),
            ]
        )
    refused = [
        f"- {marked(method)}: not applicable: {method.not_applicable}\n" for method in methods if method.not_applicable
    ]
    beside = any(known[name].beside for name in results.ranked())
    return table(head, lines) + (SECOND if beside else "") + ("\n" + "".join(refused) if refused else "")


def per_family(results: Results, column: str) -> str:
    """One column of every method, family by family and as macro mean."""
    lines = [
        [
            f"`{name}`",
            mean(results.overall(name, column)),
            *(mean(results.of(name, column, family, ALL)) for family in results.families),
        ]
        for name in results.ranked(column)
    ]
    return table(["method", "macro", *map(readable, results.families)], lines)


def comparison(differences: Sequence[Difference], chosen: str) -> str:
    """The chosen method minus each other one: estimate, interval, and the range over seeds."""
    others: Mapping[str, dict[str, Difference]] = {one.other: {} for one in differences}
    for one in differences:
        others[one.other][one.measure] = one
    head = [f"`{chosen}` minus", *(TITLES[name] for name in MEASURES)]
    ordered = sorted(others.items(), key=lambda item: _first(item[1][MEASURES[0]].estimate))
    return table(head, ([f"`{other}`", *(_difference(of[name]) for name in MEASURES)] for other, of in ordered))


def _first(estimate: float | None) -> float:
    return float("inf") if estimate is None else estimate


def _difference(one: Difference) -> str:
    if one.estimate is None:
        return UNDEFINED
    interval = "too few resamples" if one.low is None else f"{signed(one.low)} to {signed(one.high)}"
    verdict = " **beats**" if one.beats else " **beaten**" if one.beaten else ""
    seeds = one.seed_range
    spread = "" if seeds is None or len(one.seeds) == 1 else f"; seeds {signed(seeds[0])} to {signed(seeds[1])}"
    sd = "" if one.seed_sd is None else f", SD {number(one.seed_sd)}"
    return f"{signed(one.estimate)} [{interval}]{verdict}{spread}{sd}"


def as_in_2021(pooled: Mapping[str, Pooled]) -> str:
    """Table 1 of González 2021: detection error, FPR, ESCE, Dice of admitted; coverage beside it."""
    head = ("method", "det. error", "FPR", "ESCE", "Dice of admitted", "coverage", "paper")
    order = sorted(pooled, key=lambda name: _first(pooled[name].detection_error))
    return table(
        head,
        (
            [
                f"`{name}`",
                number(one.detection_error),
                number(one.fpr_at_95_tpr),
                number(one.esce),
                UNDEFINED if one.dice_admitted is None else f"{one.dice_admitted:.3f} ± {number(one.dice_admitted_sd)}",
                number(one.coverage, 2),
                cell(name, PRINTED_2021, ("González 2021",)),
            ]
            for name, one in ((name, pooled[name]) for name in order)
        ),
    )


def as_in_2022(pooled: Mapping[str, Pooled]) -> str:
    """Tables V to VIII of Karimi and Gholipour 2022: a shifted image is positive."""
    columns = ("accuracy", "sensitivity", "specificity", "auc")
    order = sorted(pooled, key=lambda name: -(pooled[name].auc or 0.0))
    return table(
        ("method", "accuracy", "sensitivity", "specificity", "AUC", "paper"),
        (
            [
                f"`{name}`",
                *(number(getattr(pooled[name], column)) for column in columns),
                cell(name, columns, ("Karimi",)),
            ]
            for name in order
        ),
    )
