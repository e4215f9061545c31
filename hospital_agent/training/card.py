"""The model card: what the model is, what it was measured on, and what nobody has measured. Every number computed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.quality.assessment import BY_GROUP
from hospital_agent.analysis.quality.view import QualityView
from hospital_agent.analysis.quality.viewed import ViewedQualityModel
from hospital_agent.simulation.hosts import Host
from hospital_agent.simulation.lesions import TEST_ONLY_FAMILIES, TRAINING_FAMILIES
from hospital_agent.training.recipe import MODEL_NAME, MODEL_VERSION, Recipe
from hospital_agent.training.scored import ScoredCase

VIEWS = {"full": "all inputs", "mask_only": "mask features alone"}
ABLATED = ("failure_auroc", "predicted_dice_mae", "sensitivity", "specificity")

HEAD = """# Model card: {name} {version}

Finds lung lesions (ground glass, consolidation and mixtures) in chest CT. A small 3-D U-Net
({parameters:,} weights, {megabytes:.1f} MB) on a {spacing} mm grid, with a reference of its own training features and a
model that predicts its Dice without a reference mask.

**A quality-monitoring aid, not for diagnosis. Not evaluated on real lesions.** Every Dice below is measured on lesions
that were computed and inserted into a chest, so the truth is exact, and so is the caveat: a network that finds
simulated lesions has not shown that it finds those of patients.

## Made from

- {patients} real patients ({hosts}); licences that let derivatives be shared: LIDC-IDRI (CC BY 3.0), Lung-PET-CT-Dx
  (CC BY 4.0). Their own dense lesions (a rule: above -600 HU inside the lungs) are ignored in the loss and in every
  figure below; their own faint ground glass, if any, is not found by the rule and counts as background.
- {phantoms} analytic chests.
- Inserted lesions of the families {training_families}; {test_families} are kept for testing and never trained on.
- Training scanners: kernels soft, standard, sharp; dose 0.4 to 2; slices from the host's own to 6 mm.
- {cost}

## Dice on a patient that training had not seen

Leave-one-patient-out: for each row a network was trained without that patient and scored on it. {case_count} simulated
cases; scanners go beyond those of training (dose 0.05 to 2, slices to 10 mm). With {patients} patients these rows are
examples, not estimates.

| left out | lesions | Dice, known | Dice, unseen | surface Dice | error ml | missed | healthy | false | false ml |
|---|---|---|---|---|---|---|---|---|---|
{rows}

"Known" and "unseen" are the textures. "Lesions" counts cases with lesions and "missed" those of them in which nothing
was segmented; surface Dice (at 3 mm) and "error ml" (median error of the volume) are over cases with lesions; "false"
counts healthy cases in which something was segmented, and "false ml" is its median volume over healthy cases.

## Dice by scanner, left-out patients and phantoms together

| scanner | cases with lesions | Dice |
|---|---|---|
{scanner_rows}

## Predicting the Dice without a reference

Logistic regression over five bins of Dice on mask features, confidences and feature-space scores; cross-fitted by
patient over {quality_cases} non-empty cases ({measured_on}), of which {failed} failed (Dice below 0.6). Measured on the
predictions for patients that the fit had not seen. Intervals are 95 %: a bootstrap over patients, except for
sensitivity and specificity (Clopper-Pearson, which takes cases as independent and is a bit too narrow).{left_out_view}

| figure | {views} |
|---|{rules}
{quality_rows}

`micro_specificity_published` is the "specificity" of the 2021 paper; a random guess has 0.80. The interval of a
predicted Dice is calibrated on all these patients, so it promises its coverage for their mixture, which is mostly
analytic chests. By kind of patient, {first_view}:

| kind | patients | cases | failed | MAE of Dice | MAE of the mean Dice | coverage | sensitivity | specificity |
|---|---|---|---|---|---|---|---|---|
{kind_rows}

Each input left out in turn (all inputs in the first row; what a row loses, only that input told):

| left out | AUROC for failures | MAE of Dice | sensitivity | specificity |
|---|---|---|---|---|
{ablation_rows}

## Reference of the feature-space scores

Mahalanobis: {patches} patches of {reference_patients} patients (phantoms included, each one patient), {dimension}
numbers a patch, shrinkage {shrinkage:.3f}, chosen by leaving out patients, of whom most are phantoms. Patches overlap;
the patients are the evidence.

Validation ranges are those of the left-out cases above, each scored by a network and a reference that had never seen
the patient, on scanners like those of training. The median is that of the real patients.
"""


def write(
    recipe: Recipe,
    hosts: Sequence[Host],
    cases: Sequence[ScoredCase],
    quality: ViewedQualityModel,
    left_out: Mapping[str, Mapping[str, float | None]],
    ood: Mapping[str, OodScore],
    cost: str,
    folder: Path,
) -> str:
    """The card of a model folder whose network is already written."""
    reference = ood["mahalanobis"]
    assert isinstance(reference, Mahalanobis)  # noqa: S101 - the only feature-space score that is trained so far
    first = quality.views[0]
    told = {view.name: view.assessment for view in quality.views}
    only_mask = "\n\n**The view on all inputs was no better than chance and is left out; the mask alone answers.**"
    return HEAD.format(
        name=MODEL_NAME,
        version=MODEL_VERSION,
        parameters=_parameters(folder / "network.safetensors"),
        megabytes=(folder / "network.safetensors").stat().st_size / 1e6,
        spacing=recipe.grid.spacing_mm[0],
        patients=len({host.patient for host in hosts}),
        hosts=f"{len(hosts)} volumes: {', '.join(host.name for host in hosts)}",
        phantoms=recipe.phantoms,
        training_families=", ".join(TRAINING_FAMILIES),
        test_families=", ".join(TEST_ONLY_FAMILIES),
        cost=cost,
        case_count=len(cases),
        rows=patient_rows(cases),
        scanner_rows=scanner_rows(cases),
        quality_cases=first.case_count,
        measured_on=first.measured_on,
        failed=first.assessment["failed_case_count"],
        left_out_view="" if "full" in told else only_mask,
        views=" | ".join(VIEWS[name] for name in told),
        rules="---|" * len(told),
        quality_rows=quality_rows(quality.views),
        first_view=VIEWS[first.name],
        kind_rows=kind_rows(first.assessment["by_group"]),
        ablation_rows=table([[name, *(_number(row[f]) for f in ABLATED)] for name, row in left_out.items()]),
        patches=reference.patch_count,
        reference_patients=reference.patient_count,
        dimension=reference.gaussian.dimension,
        shrinkage=reference.weight.weight,
    )


def measured_on(cases: Sequence[ScoredCase]) -> str:
    """What the cases are, in the words that stand beside every figure measured on them."""
    real = len({case.patient for case in cases if case.kind == "real"})
    phantoms = len({case.patient for case in cases if case.kind == "phantom"})
    return f"simulated lesions in {real} patients and {phantoms} analytic chests"


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
    healthy, ill = [c for c in cases if c.lesion_ml == 0], [c for c in cases if c.lesion_ml > 0]
    return [
        name,
        str(len(cases) - len(healthy)),
        mean_sd(dice_of(cases, lambda case: not case.unseen_texture)),
        mean_sd(dice_of(cases, lambda case: case.unseen_texture)),
        mean_sd([case.surface_dice for case in ill if case.surface_dice is not None]),
        _median_ml([case.volume_error_ml for case in ill]),
        str(sum(case.outcome == "missed_all" for case in cases)),
        str(len(healthy)),
        str(sum(case.outcome == "false_only" for case in healthy)),
        _median_ml([case.predicted_ml for case in healthy]),
    ]


def _median_ml(values: Sequence[float]) -> str:
    return f"{np.median(values):.1f}" if values else "-"


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


def quality_rows(views: Sequence[QualityView]) -> str:
    """One row a figure, a column a view."""
    names = [name for name in views[0].assessment if name not in ("failed_case_count", "by_group")]
    return table([[name, *(_figure(view, name) for view in views)] for name in names])


def _figure(view: QualityView, name: str) -> str:
    told = view.assessment.get(name)
    if name in ("sensitivity", "specificity"):
        exact = view.flag_quality.sensitivity if name == "sensitivity" else view.flag_quality.specificity
        return f"{exact.estimate:.3f} ({exact.low:.2f} to {exact.high:.2f})"
    if isinstance(told, Mapping):
        interval = told.get("patient_bootstrap_95")
        ends = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        return f"{_number(told.get('value'))}{ends}"
    return _number(told)


def kind_rows(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a kind of patient: counts and measured figures."""
    counts = ("patient_count", "case_count", "failed_case_count")
    return table(
        [
            [kind, *(str(told[name]) for name in counts), *(_number(told[name]) for name in BY_GROUP)]
            for kind, told in groups.items()
        ]
    )


def _number(value: float | None) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _parameters(path: Path) -> int:
    from safetensors.numpy import load_file

    return sum(array.size for array in load_file(path).values())
