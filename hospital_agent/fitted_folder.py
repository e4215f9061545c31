"""The `fit` command's work from end to end: a model from elsewhere and images in, a model folder out."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np

from hospital_agent.allow_list import AllowList
from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.analysis.quality.label_fences import Grouping
from hospital_agent.fitted_autoencoder import fit_autoencoder
from hospital_agent.fitted_mask_autoencoder import fences_of_seen, fit_mask_autoencoder
from hospital_agent.fitting import Fitted, directions_of, fit, look_at
from hospital_agent.fitting_inputs import Input, find_inputs
from hospital_agent.foreign_models import describe, file_names, open_model, together
from hospital_agent.ingest.nifti import is_nifti
from hospital_agent.model_folder import save_foreign_model
from hospital_agent.toolkit import toolkit_around

if TYPE_CHECKING:
    from hospital_agent.training.autoencoder import AutoencoderTraining
    from hospital_agent.training.mask_autoencoder import MaskTraining

Say = Callable[[str], None]
EXTERNAL = "external"  # where copied files lie in a model folder
LPS = "LPS"  # DICOM's orientation
FEATURES_SEEN = "activation autoencoder", (
    "segmentation_distortion", "segmentation_distortion_foreground", "latent_mahalanobis",
)  # fmt: skip
MASKS_SEEN = "mask autoencoder", ("mask_autoencoder_pdc", "mask_autoencoder_phd")


def fit_folder(
    models: list[Path],
    images: Path,
    references: Path | None,
    out: Path,
    *,
    allowed: AllowList,
    device: str,
    orientation: str | None,
    mirroring: bool,
    copy: bool,
    name: str | None,
    say: Say,
    modality: Modality = "CT",
    autoencoder: "AutoencoderTraining | None" = None,
    mask_autoencoder: "MaskTraining | None" = None,
    fences_by: Grouping = "mean",
) -> Fitted:
    """Fit everything that can be fitted to a model and write its folder.

    Args:
        models: one model, or the members of an ensemble.
        orientation: of an nnU-Net's training files; that of most of the images when None.
        copy: put the model's own files into the folder, so that it can be carried elsewhere.
        autoencoder: how to train an activation autoencoder, for segmentation distortion; None trains none.
        mask_autoencoder: how to train an autoencoder of masks on the references; None trains none.
        fences_by: what decides that a mask comes back from it too badly.
        modality: of the images; the folder keeps it, and what is of another one is left out.

    Raises:
        TooFewCases, ModelMismatch, ModelNotAllowed, NotApplicable, BackendUnavailable
    """
    if (out / "manifest.json").exists():
        raise ModelMismatch(f"'{out.name}' holds a model folder already; choose another one for --out.")
    inputs = find_inputs(images, references)
    if references is not None:
        say(f"{sum(one.reference is not None for one in inputs)} of {len(inputs)} images have a reference")
    stored = orientation or usual_orientation(inputs, say)
    external = together([describe(path, orientation=stored, mirroring=mirroring) for path in models])
    version = model_version(external)
    say("loading the model")
    segmenter = open_model(external, Path(), allowed=allowed, version=version, model_hash="none", device=device)
    reconstructs = None if autoencoder is None else fit_autoencoder(segmenter, inputs, modality, autoencoder, say)
    masks = (
        None if mask_autoencoder is None else fit_mask_autoencoder(segmenter, inputs, modality, mask_autoencoder, say)
    )
    if masks is not None:
        from hospital_agent.analysis.segmentation.mask_autoencoder import ReconstructingSegmenter

        segmenter = ReconstructingSegmenter(segmenter, masks)
    toolkit = toolkit_around(segmenter, external["backend"], version, modality=modality)
    seen = look_at(_with_progress(inputs), toolkit, say)
    if not seen and modality == "CT":
        say("no image could be used as CT; where they are MR, say --modality MR")
    fitted = fit(seen, directions_of(toolkit), version=version, say=say)
    out.mkdir(parents=True, exist_ok=True)
    kept = _copied(external, out) if copy else external
    told = name or _slug(models[0])
    save_foreign_model(
        out,
        name=told,
        version=version,
        external=kept,
        ood=fitted.ood,
        validation=fitted.ranges,
        quality=None if fitted.quality is None else (fitted.quality_kind or "", fitted.quality.to_json()),
        made_from={"images": len(seen), "patients": fitted.patient_count, "left_out": list(fitted.left_out)},
        modality=modality,
        autoencoder=reconstructs,
        mask_autoencoder=masks,
        mask_fences=None if masks is None else fences_of_seen(seen, masks.shape.label_count, fences_by, say),
    )
    learnt = [seen for seen, made in ((FEATURES_SEEN, reconstructs), (MASKS_SEEN, masks)) if made is not None]
    (out / "MODEL_CARD.md").write_text(card(told, kept, fitted, modality, learnt), encoding="utf-8")
    return fitted


def usual_orientation(inputs: list[Input], say: Say) -> str:
    """The orientation in which most of the images are stored: that of the training files, if they are such."""
    codes = [_orientation(one.path) for one in inputs]
    usual = max(sorted(set(codes)), key=codes.count)
    if len(set(codes)) > 1:
        say(f"the images are stored in different orientations; {usual} is taken for the model's (--orientation)")
    return usual


def model_version(external: Mapping[str, Any]) -> str:
    """A version from the hash of the model's own files, fit for a report."""
    return "-".join(str(member["sha256"])[:12] for member in external.get("members", [external])[:4])


def _orientation(path: Path) -> str:
    if not (path.is_file() and is_nifti(path)):
        return LPS
    affine: Any = nibabel.load(path).affine  # type: ignore[attr-defined]
    return "".join(str(letter) for letter in nibabel.orientations.aff2axcodes(affine))  # type: ignore[no-untyped-call]


def _with_progress(inputs: list[Input]) -> Any:
    from tqdm import tqdm

    return tqdm(inputs, desc="running the model", unit="image", mininterval=1)


def _slug(path: Path) -> str:
    words = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().stem).strip("-.")
    return words[:64] or "model"


def _copied(external: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """The same description with the files copied into the folder and paths relative to it."""
    if "members" in external:
        members = [_copied_one(member, out, f"{EXTERNAL}/{i}") for i, member in enumerate(external["members"])]
        return {**external, "members": members}
    return _copied_one(external, out, EXTERNAL)


def _copied_one(spec: Mapping[str, Any], out: Path, where: str) -> dict[str, Any]:
    for part in file_names(spec):
        target = out / where / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(spec["path"]) / part, target)
    return {**spec, "path": where}


def _seen_before(learnt: Sequence[tuple[str, tuple[str, ...]]], fitted: Fitted) -> str:
    """A paragraph for each autoencoder that knows the patients whom the table calls left out; "" without one."""
    told = ""
    for what, scores in learnt:
        scaled = ", ".join(f"`{score}`" for score in scores if score in fitted.ranges)
        if scaled:
            told += f"""
The left-out patients were new to the scale of the scores, but not to the {what}: it was trained on
patients of this folder, and a fifth of them chose when to stop. A new patient may show more of {scaled}
than this table says.
"""
    return told


def card(
    name: str,
    external: Mapping[str, Any],
    fitted: Fitted,
    modality: Modality,
    learnt: Sequence[tuple[str, tuple[str, ...]]] = (),
) -> str:
    """MODEL_CARD.md: what was fitted to what, and what is not there. Every number computed.

    Args:
        learnt: what `fit --method` trained, and the scores that need it.
    """
    members = external.get("members", [external])
    files = "\n".join(f"- {member['backend']}, SHA-256 `{member['sha256']}`" for member in members)
    known = [case.dice for case in fitted.seen if case.dice is not None]
    measured = (
        f"Dice against the references (any label): median {np.median(known):.3f}, smallest {min(known):.3f}, "
        f"{len(known)} cases."
        if known
        else "No references were given: nothing is known here of how good its masks are."
    )
    rows = "\n".join(f"| {key} | {r.low:.4g} | {r.median:.4g} | {r.high:.4g} |" for key, r in fitted.ranges.items())
    missing = "\n".join(f"- {sentence}" for sentence in fitted.left_out) or "- Nothing."
    return f"""# Model card: {name}

A model from elsewhere for {modality}, used as it is. SegWatch changed neither its network nor its weights; it fitted to
what the model shows on {len(fitted.seen)} cases of {fitted.patient_count} patients.

**A quality-monitoring aid, not for diagnosis.**

## Files

{files}

## Measured

{measured}

## Scale of the scores

Smallest, median and largest over patients whom the fit of the score had not seen. The network may have seen them, if
they were among its training images; then a new patient lies farther away than this table says.
{_seen_before(learnt, fitted)}
| score | smallest | median | largest |
|---|---|---|---|
{rows}

## Not there

{missing}
"""
