"""`hospital-agent refine`: a model and a site's own images in, a proposed new version of the model out.

Nothing here puts the new version to use: it lies in a folder of its own, with what it changed, until a person points
the agent at it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hospital_agent.console import Device, check_device, print_json, say

if TYPE_CHECKING:
    from hospital_agent.analysis.quality.tukey import Fences
    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
    from hospital_agent.fitting import Input
    from hospital_agent.model_folder import LoadedModel
    from hospital_agent.training.refinement import Refined
    from hospital_agent.training.refinement_cases import RefinementCase

CHANGES = "refinement.json"
FenceSource = Literal["annotated", "target"]
MadeFrom = Literal["given", "model", "annotated"]
MASKS_SEEN: dict[MadeFrom, str] = {
    "given": "was given with `--mask-autoencoder`; whether it has seen the annotated masks is not known here.",
    "model": "is that of the model before, whose card says which masks it has seen.",
    "annotated": "was trained on all annotated masks, as no other was given (`--mask-autoencoder`): those of the\n"
    "  held-out patients too, so its scores and fences are tighter here than for a new patient.",
}


def refine(
    model: Annotated[Path, typer.Option(exists=True, file_okay=False, help="The model folder to refine.")],
    images: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Images of the site without masks.")],
    annotated_images: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Images that have masks.")],
    annotated_masks: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Their NIfTI masks, under the names of the images.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder of the proposed version.")],
    mask_autoencoder: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Else that of the model, or one trained now on the masks."),
    ] = None,
    fences: Annotated[
        FenceSource, typer.Option(help="Whose quartiles say what is unusual; target as published.")
    ] = "annotated",
    epochs: Annotated[int, typer.Option(min=1, help="At most, over the flagged cases.")] = 5,
    even_if_all: Annotated[bool, typer.Option("--even-if-all", help="Go on where every case is flagged.")] = False,
    device: Device = "auto",
) -> None:
    """Refine a model on the cases whose masks disagree with their reconstruction, and propose the result."""
    from hospital_agent.analysis.errors import ModelMismatch
    from hospital_agent.fitting import find_inputs
    from hospital_agent.model_folder import load_model
    from hospital_agent.training.refinement import RefinementPlan, refuse_no_images
    from hospital_agent.training.refinement import refine as refined_by
    from hospital_agent.training.refinement_cases import in_task

    check_device(device)
    if (out / "manifest.json").exists():
        raise ModelMismatch(f"'{out.name}' holds a model folder already; choose another one for --out.")
    loaded = load_model(model, device=device)
    segmenter = trainable(loaded)
    known = find_inputs(annotated_images, annotated_masks)
    taught = {one.patient for one in known}
    found = [one for one in find_inputs(images, None) if one.patient not in taught]
    unlabelled = read_cases(found, loaded, say)
    refuse_no_images(unlabelled)
    annotated = in_task(read_cases(known, loaded, say), segmenter.classes - 1)
    autoencoder, made = autoencoder_for(loaded, mask_autoencoder, annotated, segmenter.classes - 1)
    limits = fences_from(annotated if fences == "annotated" else unlabelled, segmenter, autoencoder, fences)
    plan = RefinementPlan(patch=segmenter.grid.tile, most_epochs=epochs, even_if_all=even_if_all)
    result = refined_by(segmenter, autoencoder, unlabelled, annotated, limits, plan, say)
    judged = [*references_of(known, result.held_out), *without(found, result)]
    told = propose(out, loaded, segmenter, autoencoder, result, judged, made)
    print_json({"model": str(out), **told})


def trainable(loaded: "LoadedModel") -> "BundledSegmenter":
    """The segmenter of a model whose network can be trained on.

    Raises:
        NotApplicable: the model comes from elsewhere.
    """
    from hospital_agent.analysis.errors import NotApplicable
    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.analysis.segmentation.mask_autoencoder import ReconstructingSegmenter

    inner = loaded.segmenter
    if isinstance(inner, ReconstructingSegmenter):
        inner = inner.inner
    if not isinstance(inner, BundledSegmenter):
        raise NotApplicable(
            f"A model of kind {loaded.backend} is refined where it was trained; only SegWatch's own networks are here."
        )
    return inner


def read_cases(inputs: "Sequence[Input]", loaded: "LoadedModel", say: Callable[[str], None]) -> "list[RefinementCase]":
    """The images with the labels that people gave them; what is refused is said and left out."""
    from hospital_agent.errors import InputRefused
    from hospital_agent.ingest.series import read_series
    from hospital_agent.training.refinement_cases import RefinementCase

    cases = []
    for one in inputs:
        try:
            series = read_series(one.path, loaded.modality)
            labels = None if one.reference is None else series.read_labels(one.reference)
        except InputRefused as problem:
            say(f"{one.name} was left out: {problem}")
            continue
        cases.append(RefinementCase(one.name, one.patient, series.volume, labels))
    return cases


def autoencoder_for(
    loaded: "LoadedModel", folder: Path | None, annotated: "Sequence[RefinementCase]", label_count: int
) -> "tuple[MaskAutoencoder, MadeFrom]":
    """The mask autoencoder of a folder, or else of the model, or else one that is trained on the masks at hand.

    Returns:
        It, and which of these it is.

    Raises:
        NoAnnotatedCase: there is none, and no mask to train one on.
        ModelMismatch: it is of another number of labels than the model.
    """
    from hospital_agent.analysis.errors import ModelMismatch, NoAnnotatedCase
    from hospital_agent.analysis.segmentation.mask_autoencoder import ReconstructingSegmenter
    from hospital_agent.mask_autoencoder_files import load_mask_autoencoder
    from hospital_agent.training.mask_autoencoder import ReferenceMask, train_mask_autoencoder

    made: MadeFrom
    if folder is not None:
        found, made = load_mask_autoencoder(folder), "given"
    elif isinstance(loaded.segmenter, ReconstructingSegmenter):
        found, made = loaded.segmenter.autoencoder, "model"
    else:
        masks = [
            ReferenceMask(case.labels, case.volume.spacing_mm, case.patient)
            for case in annotated
            if case.labels is not None and case.labels.any()
        ]
        if not masks:
            raise NoAnnotatedCase("Refinement needs annotated cases, and no image has a mask that holds anything.")
        say(f"training a mask autoencoder on {len(masks)} masks")
        with TemporaryDirectory() as place:
            found, made = train_mask_autoencoder(masks, label_count, Path(place)), "annotated"
    if found.shape.label_count != label_count:
        raise ModelMismatch(
            f"The mask autoencoder knows {found.shape.label_count} labels, and the model {label_count}."
        )
    return found, made


def fences_from(
    cases: "Sequence[RefinementCase]",
    segmenter: "BundledSegmenter",
    autoencoder: "MaskAutoencoder",
    source: FenceSource,
) -> "Fences":
    """Fences over what the model makes of cases.

    Raises:
        TooFewCases: fewer than four can be judged.
    """
    from hospital_agent.analysis.quality.tukey import fences_of
    from hospital_agent.training.refinement_cases import look

    judged = (look(segmenter, autoencoder, case).pseudo for case in cases)
    return fences_of(judged, "validation" if source == "annotated" else "target")


def references_of(known: "Sequence[Input]", patients: Sequence[str]) -> "list[Input]":
    """The annotated images, with the masks of these patients alone: on the others the network was trained.

    A quality model says how good masks of people are whom the network has not seen. Measured on those whose masks
    corrected it, its Dice would be too good.
    """
    return [one if one.patient in patients else replace(one, reference=None) for one in known]


def without(found: "Sequence[Input]", result: "Refined") -> "list[Input]":
    """The images that were never flagged: what is known to be unusual is no reference of what is usual."""
    flagged = {*result.flagged_before, *result.flagged_after}
    return [one for one in found if one.name not in flagged]


def propose(
    out: Path,
    loaded: "LoadedModel",
    segmenter: "BundledSegmenter",
    autoencoder: "MaskAutoencoder",
    result: "Refined",
    judged: "Sequence[Input]",
    made: MadeFrom,
) -> dict[str, Any]:
    """Write the folder of the proposed version, with scores fitted to what its own network shows.

    Scores, scales and quality model of the version before belong to its network and are not taken along.

    Args:
        judged: the images that scores are fitted to, with the references that a quality model may be fitted to.
        made: where the mask autoencoder comes from.

    Returns:
        What changed, as `refinement.json` has it.
    """
    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.analysis.segmentation.mask_autoencoder import ReconstructingSegmenter
    from hospital_agent.analysis.segmentation.unet import UNet
    from hospital_agent.fitting import directions_of, fit, look_at
    from hospital_agent.model_folder import save_model
    from hospital_agent.toolkit import toolkit_around

    network = result.network
    if not isinstance(network, UNet):
        raise TypeError("A bundled model's network is a UNet.")
    told: dict[str, Any] = {
        "proposed": True,
        "refined_from": {"name": loaded.name, "version": loaded.version, "hash": loaded.hash},
        "epochs": result.epochs,
        "flagged_before": len(result.flagged_before),
        "flagged_after": len(result.flagged_after),
        "held_out_patients": len(result.held_out),
        "mask_autoencoder": made,
        "table": [row.to_json() for row in result.table],
    }
    version = f"{loaded.version}-refined-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]}"
    refined = BundledSegmenter(
        network, segmenter.grid, version=version, model_hash="none", device=segmenter.device.type
    )
    around = ReconstructingSegmenter(refined, autoencoder)
    toolkit = toolkit_around(around, "bundled", version, modality=loaded.modality)
    fitted = fit(look_at(judged, toolkit, say), directions_of(toolkit), version=version, say=say)
    save_model(
        out,
        name=loaded.name,
        version=version,
        network=network.cpu(),
        grid=segmenter.grid,
        ood=fitted.ood,
        validation=fitted.ranges,
        quality_kind=fitted.quality_kind,
        quality=None if fitted.quality is None else fitted.quality.to_json(),
        made_from=told,
        modality=loaded.modality,
        mask_autoencoder=autoencoder,
    )
    (out / CHANGES).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (out / "MODEL_CARD.md").write_text(card(loaded.name, version, told, fitted.left_out), encoding="utf-8")
    return {"version": version, **told}


def card(name: str, version: str, told: Mapping[str, Any], left_out: Sequence[str]) -> str:
    """MODEL_CARD.md of a proposed version: what changed, every number computed."""
    rows = "\n".join(
        f"| {row['cases']} | {row['measure']} | {row['count']} | {_number(row['before'])} | {_number(row['after'])} "
        f"| {_number(row['low'])} to {_number(row['high'])} |"
        for row in told["table"]
    )
    missing = "\n".join(f"- {sentence}" for sentence in left_out) or "- Nothing."
    before = told["refined_from"]
    return f"""# Model card: {name} {version}

**Proposed, and in use nowhere until a person decides so. A quality-monitoring aid, not for diagnosis.**

Refined from {before["name"]} {before["version"]} (`{before["hash"]}`) in {told["epochs"]} epochs on cases whose masks
disagreed with their reconstruction; {told["flagged_before"]} were flagged before and {told["flagged_after"]} after.

The annotated cases of the table are held out: their patients taught the network nothing. The interval is that of
after - before over resampled patients. pDC and pHD compare a mask with its own reconstruction, and not with the truth.

## Whom it has seen

- The network was trained on the flagged cases and on annotated patients. {told["held_out_patients"]} annotated patients
  are held out; a quality model is fitted to the Dice of these alone, and needs failed and good masks among them.
- The scores' reference holds no flagged case. It holds annotated patients on whom the network was trained: a new
  patient may look a little less usual than they do.
- The mask autoencoder {MASKS_SEEN[told["mask_autoencoder"]]}

## What changed

| cases | measure | n | before | after | 95 % interval of the difference |
|---|---|---|---|---|---|
{rows}

## Not there

{missing}
"""


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
