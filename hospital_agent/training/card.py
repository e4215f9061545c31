"""The model card: what the model is, what it was measured on, and what nobody has measured. Every number computed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hospital_agent.training.scored import ScoredCase

HEAD = """# Model card: {name} {version}

Finds lung lesions (ground glass, consolidation and mixtures) in chest CT. A small 3-D U-Net
({parameters:,} weights, {megabytes:.1f} MB) on a {spacing} mm grid, with a reference of its own training features and a
model that predicts its Dice without a reference mask.

**A quality-monitoring aid, not for diagnosis. Not evaluated on real lesions.** Every Dice below is measured on lesions
that were computed and inserted into a chest, so the truth is exact, and so is the caveat: a network that finds
simulated lesions has not shown that it finds those of patients.

## Made from

- {patients} real patients ({hosts}); licences that let derivatives be shared: LIDC-IDRI (CC BY 3.0), Lung-PET-CT-Dx
  (CC BY 4.0). Their own dense lesions are ignored in the loss and in every Dice, found by a rule that ignores too much
  rather than too little.
- {phantoms} analytic chests.
- Inserted lesions of the families {training_families}; {test_families} are kept for testing and never trained on.
- Training scanners: kernels soft, standard, sharp; dose 0.4 to 2; slices from the host's own to 6 mm.
- {cost}

## Dice on a patient that training had not seen

Leave-one-patient-out: for each row a network was trained without that patient and scored on it. {case_count} simulated
cases; scanners go beyond those of training (dose 0.05 to 2, slices to 10 mm). With {patients} patients these rows are
examples, not estimates.

| left-out patient | lesions | Dice, known textures | Dice, unseen textures | missed | healthy | false | false ml |
|---|---|---|---|---|---|---|---|
{rows}

"Lesions" counts cases with lesions and "missed" those of them with an empty mask; "false" counts healthy cases with a
mask that is not empty, and "false ml" is its median volume over healthy cases.

## Dice by scanner, left-out patients and phantoms together

| scanner | cases with lesions | Dice |
|---|---|---|
{scanner_rows}

## Predicting the Dice without a reference

Logistic regression over five bins of Dice on mask features, confidences and feature-space scores; cross-fitted by
patient over {quality_cases} non-empty cases of {quality_patients} patients (phantoms count as one patient each), of
which {failed} failed (Dice below 0.6). Measured on the predictions for patients that the fit had not seen, with 95 %
intervals.

| figure | all inputs | mask features alone |
|---|---|---|
{quality_rows}

`micro_specificity_published` is the "specificity" of the 2021 paper; a random guess has 0.80.

## Reference of the feature-space scores

Mahalanobis: {patches} patches of {reference_patients} patients (phantoms included), {dimension} numbers a patch,
shrinkage {shrinkage:.3f}. Patches overlap; the patients are the evidence.

Validation ranges are those of {validation_cases} simulated cases of training patients and new phantoms.
"""


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a Markdown table, without its head."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def mean_sd(values: Sequence[float]) -> str:
    """Mean, SD and n; a dash where there is nothing."""
    if not values:
        return "-"
    return f"{np.mean(values):.2f} ± {np.std(values):.2f} (n = {len(values)})"


def dice_of(cases: Sequence[ScoredCase], keep: Callable[[ScoredCase], bool] = lambda _: True) -> list[float]:
    """Dice of the cases that have lesions."""
    return [case.dice for case in cases if case.lesion_ml > 0 and case.dice is not None and keep(case)]


def patient_rows(cases: Sequence[ScoredCase]) -> str:
    """One row a left-out patient, and one for all phantoms."""
    names = sorted({case.patient for case in cases if case.kind == "real"})
    groups = [(name, [case for case in cases if case.patient == name]) for name in names]
    groups.append(("phantoms", [case for case in cases if case.kind == "phantom"]))
    return table([_patient_row(name, group) for name, group in groups])


def _patient_row(name: str, cases: Sequence[ScoredCase]) -> list[str]:
    healthy = [case for case in cases if case.lesion_ml == 0]
    false_ml = [case.predicted_ml for case in healthy]
    return [
        name,
        str(len(cases) - len(healthy)),
        mean_sd(dice_of(cases, lambda case: not case.unseen_texture)),
        mean_sd(dice_of(cases, lambda case: case.unseen_texture)),
        str(sum(case.outcome == "missed_all" for case in cases)),
        str(len(healthy)),
        str(sum(case.outcome == "false_only" for case in healthy)),
        f"{np.median(false_ml):.1f}" if false_ml else "-",
    ]


def scanner_rows(cases: Sequence[ScoredCase]) -> str:
    """Dice by kernel, by dose and by slice thickness."""
    groups: dict[str, Callable[[ScoredCase], bool]] = {
        "soft kernel": lambda c: c.kernel == "soft",
        "standard kernel": lambda c: c.kernel == "standard",
        "sharp kernel": lambda c: c.kernel == "sharp",
        "dose 0.4 and more (as in training)": lambda c: c.dose >= 0.4,
        "dose 0.1 to 0.4": lambda c: 0.1 <= c.dose < 0.4,
        "dose below 0.1": lambda c: c.dose < 0.1,
        "slices to 6 mm (as in training)": lambda c: c.slice_mm <= 6,
        "slices above 6 mm": lambda c: c.slice_mm > 6,
    }
    rows = [(name, dice_of(cases, keep)) for name, keep in groups.items()]
    return table([[name, str(len(values)), mean_sd(values)] for name, values in rows])


def quality_rows(views: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a figure, a column a view."""
    names = [name for name in views["full"] if name != "failed_case_count"]
    return table([[name, *(_figure(views[view].get(name)) for view in ("full", "mask_only"))] for name in names])


def _figure(told: Any) -> str:
    if isinstance(told, Mapping):
        value, interval = told.get("value"), told.get("patient_bootstrap_95")
        ends = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        return f"{value:.3f}{ends}"
    return "-" if told is None else f"{told:.3f}"
