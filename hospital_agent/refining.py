"""`hospital-agent refine`: a model and a site's own images in, a proposed new version of the model out.

Nothing here puts the new version to use: it lies in a folder of its own, with what it changed, until a person points
the agent at it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hospital_agent.console import Device, FencesBy, check_device, print_json, say
from hospital_agent.refining_card import MadeFrom, card

if TYPE_CHECKING:
    from hospital_agent.analysis.quality.label_fences import Grouping, MaskFences
    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
    from hospital_agent.fitting_inputs import Input
    from hospital_agent.model_folder import LoadedModel
    from hospital_agent.training.refinement import Refined
    from hospital_agent.training.refinement_cases import RefinementCase

CHANGES = "refinement.json"
FenceSource = Literal["annotated", "target"]


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
    fences_by: FencesBy = "mean",
    epochs: Annotated[int, typer.Option(min=1, help="At most, over the flagged cases.")] = 5,
    even_if_all: Annotated[bool, typer.Option("--even-if-all", help="Go on where every case is flagged.")] = False,
    device: Device = "auto",
) -> None:
    """Refine a model on the cases whose masks disagree with their reconstruction, and propose the result."""
    from hospital_agent.analysis.errors import ModelMismatch
    from hospital_agent.fitting_inputs import find_inputs
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
    limits = fences_from(annotated if fences == "annotated" else unlabelled, segmenter, autoencoder, fences, fences_by)
    plan = RefinementPlan(patch=segmenter.grid.tile, most_epochs=epochs, even_if_all=even_if_all)
    result = refined_by(segmenter, autoencoder, unlabelled, annotated, limits.deciding, plan, say)
    judged = [*references_of(known, result.held_out), *without(found, result)]
    told = propose(out, loaded, segmenter, autoencoder, result, judged, limits, made)
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
    by: "Grouping",
) -> "MaskFences":
    """Fences over what the model makes of cases, for each label or view or for all together.

    Raises:
        TooFewCases: no label or view has four that can be judged.
    """
    from hospital_agent.analysis.quality.label_fences import mask_fences
    from hospital_agent.training.refinement_cases import look

    judged = [look(segmenter, autoencoder, case).measures for case in cases]
    return mask_fences(judged, by, "validation" if source == "annotated" else "target")


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
    limits: "MaskFences",
    made: MadeFrom,
) -> dict[str, Any]:
    """Write the folder of the proposed version, with scores fitted to what its own network shows.

    Scores, scales and quality model of the version before belong to its network and are not taken along.

    Args:
        judged: the images that scores are fitted to, with the references that a quality model may be fitted to.
        limits: the fences that flagged cases; they stay with the mask autoencoder. They are of the masks that the
            network before made: it had not been trained on these cases.
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
        "fences": limits.to_json(),
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
        mask_fences=limits,
    )
    (out / CHANGES).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (out / "MODEL_CARD.md").write_text(card(loaded.name, version, told, fitted.left_out), encoding="utf-8")
    return {"version": version, **told}
