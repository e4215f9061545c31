"""What the study of refinement says: its table over all seeds, and sentences that are made from its numbers."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from hospital_agent.evaluation.markdown import UNDEFINED, bullets, listed, number, readable, signed, table
from hospital_agent.evaluation.refinement.study import (
    BEFORE,
    PROPOSED,
    REFINED,
    VARIANTS,
    RefinedCase,
    SeedRefinement,
)
from hospital_agent.evaluation.rows import UNSHIFTED
from hospital_agent.training.refinement_table import Comparison, comparison

Pick = Callable[[RefinedCase], bool]
GROUPS: tuple[tuple[str, Pick], ...] = (
    ("unshifted", lambda case: case.family == UNSHIFTED),
    ("flagged", lambda case: case.flagged),
    ("shifted, not flagged", lambda case: case.family != UNSHIFTED and not case.flagged),
)
MEASURES = (("dice", 3, True), ("hausdorff_mm", 1, False))
TITLES = {"dice": "Dice", "hausdorff_mm": "Hausdorff distance (mm)"}
HEADING = "Refinement on flagged images, as in Galati 2021"
HOW = """The test images, as they are and under each shift family at one strength, are a site's images without \
references: the refinement sees them and not their truth, which is used for measuring alone. Annotated are the \
validation images as they are. "before" is the first of the three best checkpoints, "selected" chooses among them for \
each image, "refined selected" among the last epochs of the refinement. Differences are after - before with 95 % \
intervals over test patients, who bring all their images and seeds; refused refinements are counted as if they had not \
been refused, so that the table shows what a refusal spares.
"""


def section(title: str, told: Mapping[str, Any]) -> list[str]:
    """The part of a page that tells the study, from what `summary_of` made of it."""
    return [f"{title}\n", bullets(told["findings"]), HOW, told["table"]]


def summary_of(seeds: Sequence[SeedRefinement]) -> dict[str, Any]:
    """Findings and table, as JSON values."""
    return {"findings": sentences_of(seeds), "table": table_of(seeds)}


def table_of(seeds: Sequence[SeedRefinement]) -> str:
    """Dice and Hausdorff distance of each group of images, before and after, in Markdown."""
    lines = []
    for (name, pick), (measure, digits, _) in product(GROUPS, MEASURES):
        for variant in VARIANTS[1:]:
            found = compared(seeds, measure, variant, pick)
            if found.count:
                lines.append([
                    name, TITLES[measure], readable(variant), str(found.count),
                    number(found.before, digits), number(found.after, digits), _difference(found, digits),
                ])  # fmt: skip
    return table(("images", "measure", "what", "n", "before", "after", "difference"), lines) if lines else ""


def sentences_of(seeds: Sequence[SeedRefinement]) -> list[str]:
    """What became of the refinements, whether they help the flagged, spare the unshifted, and whom they hurt."""
    said = [_outcomes(seeds)]
    for name, measure in (("unshifted", "dice"), ("flagged", "hausdorff_mm"), ("flagged", "dice")):
        digits = {measure: digits for measure, digits, _ in MEASURES}[measure]
        found = compared(seeds, measure, REFINED, dict(GROUPS)[name])
        if found.before is not None and found.after is not None:
            said.append(
                f"{TITLES[measure]} of {name} images: {found.before:.{digits}f} before, {found.after:.{digits}f} "
                f"refined ({_difference(found, digits)}): {_verdict(found)}."
            )
    return [*said, *_by_family(seeds)]


def compared(seeds: Sequence[SeedRefinement], measure: str, variant: str, pick: Pick) -> Comparison:
    """A variant beside the network before, over the picked images of all seeds that have it."""
    cases = [case for seed in seeds for case in seed.cases if pick(case) and variant in case.dice]
    values = [case.dice if measure == "dice" else case.hausdorff_mm for case in cases]
    better = {measure: higher for measure, _, higher in MEASURES}[measure]
    return comparison(
        measure,
        variant,
        [told[BEFORE] for told in values],
        [told[variant] for told in values],
        [case.patient for case in cases],
        higher_is_better=better,
    )


def _outcomes(seeds: Sequence[SeedRefinement]) -> str:
    proposed = [seed for seed in seeds if seed.outcome == PROPOSED]
    refused = [f"seed {seed.seed}: {seed.outcome}" for seed in seeds if seed.outcome != PROPOSED]
    flagged = ", ".join(f"{seed.flagged_before} to {seed.flagged_after}" for seed in seeds if seed.epochs)
    counts = f"; flagged images went from {flagged}" if flagged else ""
    why = f" Refused: {' '.join(refused)}" if refused else ""
    return f"The refined model is proposed for {len(proposed)} of {len(seeds)} seeds{counts}.{why}"


def _by_family(seeds: Sequence[SeedRefinement]) -> list[str]:
    """Whom refinement helps, and whom it hurts: families whose interval of Dice lies on one side of 0."""
    families = dict.fromkeys(case.family for seed in seeds for case in seed.cases)
    found = {
        family: compared(seeds, "dice", REFINED, lambda case, family=family: case.family == family)  # type: ignore[misc]
        for family in families
    }
    named: dict[str, list[str]] = {"helps": [], "hurts": []}
    for family, one in found.items():
        if one.low is None or one.high is None:
            continue
        name = f"{'unshifted images' if family == UNSHIFTED else readable(family)} ({_difference(one, 3)})"
        if one.low > 0:
            named["helps"].append(name)
        elif one.high < 0:
            named["hurts"].append(name)
    if not any(one.count for one in found.values()):
        return []
    parts = [f"it {verb} {listed(names) if names else 'none'}" for verb, names in named.items()]
    return [f"By shift family, in Dice: {', and '.join(parts)}."]


def _verdict(found: Comparison) -> str:
    if found.low is None or found.high is None:
        return "too few patients to say"
    if found.low <= 0 <= found.high:
        return "they cannot be told apart"
    return "worse" if found.worse else "better"


def _difference(found: Comparison, digits: int) -> str:
    if found.before is None or found.after is None:
        return UNDEFINED
    mean = signed(found.after - found.before, digits)
    if found.low is None or found.high is None:
        return mean
    return f"{mean}, {signed(found.low, digits)} to {signed(found.high, digits)}"
