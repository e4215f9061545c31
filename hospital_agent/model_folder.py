"""The model folder: everything that belongs to one version of a model, without a file that can run code.

    manifest.json           name, version, backend, modality (CT where it says none), and the hash of every other file
    network.safetensors     weights, half precision; not there for a model from elsewhere
    reference.safetensors   fitted OOD scores, one prefix a score
    validation.json         score -> smallest, median, largest over in-distribution validation cases
    autoencoder.*           weights and shape of an activation autoencoder; not there for every model
    mask_autoencoder.*      weights and shape of an autoencoder of masks, and its fences; not there for every model
    quality.json            the quality model, with how well its flag finds failures; not there for every model
    MODEL_CARD.md           for people; not part of the hash

The hash of a model is the hash of its manifest, which holds the hashes of the rest. For the bundled network the
manifest holds working grid and network shape; for a model from elsewhere it says under `external` where its own files
are and what their hash is (see `foreign_models`). Those may run code when they are loaded, and then load only where the
site allows it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.allow_list import NOBODY, AllowList
from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import OodScore, ood_scores
from hospital_agent.analysis.quality import QualityModel, quality_models
from hospital_agent.analysis.quality.label_fences import MaskFences
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.autoencoder_files import AUTOENCODER_FILES, load_autoencoder, save_autoencoder
from hospital_agent.foreign_models import BACKENDS, Spec, open_model
from hospital_agent.mask_autoencoder_files import (
    MASK_AUTOENCODER_FILES,
    load_mask_autoencoder,
    save_mask_autoencoder,
)
from hospital_agent.model_manifest import (
    FITTED,
    NETWORK,
    QUALITY,
    checked_manifest,
    read_json,
    read_manifest,
    told_modality,
    write_json,
    write_manifest,
)

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
    from hospital_agent.analysis.segmentation.bundled import WorkingGrid
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
    from hospital_agent.analysis.segmentation.unet import UNet

SHIPPED_MODEL = Path(__file__).parent / "models" / "lung-lesions-v1"


@dataclass(frozen=True)
class LoadedModel:
    """A model folder, read and checked.

    `segmenter` is None when it was loaded without its network (scoring supplied masks needs no torch); `quality` is
    None where the folder has no quality model.
    """

    name: str
    version: str
    hash: str
    segmenter: Segmenter | None
    ood: Mapping[str, OodScore]
    validation: Mapping[str, ValidationRange]
    quality: QualityModel | None
    backend: str = "bundled"
    modality: Modality = "CT"


def modality_of(folder: Path) -> Modality:
    """What a model folder reads; its other files stay unread.

    Raises:
        ModelMismatch: it is no model folder, or its manifest names another modality than CT and MR.
    """
    return told_modality(read_manifest(folder))


def holds_mask_autoencoder(folder: Path) -> bool:
    """Whether an autoencoder of masks belongs to a model folder; its files stay unread.

    Raises:
        ModelMismatch: it is no model folder.
    """
    return MASK_AUTOENCODER_FILES[0] in read_manifest(folder).get("files", {})


def load_model(
    folder: Path, *, device: str = "auto", with_network: bool = True, allowed: AllowList = NOBODY
) -> LoadedModel:
    """Read a model folder and check the hash of every part.

    Args:
        device: "auto" (CUDA when there is one), "cpu" or "cuda".
        with_network: False leaves torch alone, and the files of a model from elsewhere unread.
        allowed: which models from elsewhere may run code.

    Raises:
        ModelMismatch: a part is missing, damaged, or does not belong to this folder.
        ModelNotAllowed: it is a model from elsewhere that runs code when it is loaded, and nobody has allowed that.
    """
    manifest, digest = checked_manifest(folder)
    try:
        ranges = {name: ValidationRange(*triple) for name, triple in read_json(folder / "validation.json").items()}
        return LoadedModel(
            name=manifest["name"],
            version=manifest["version"],
            hash=digest,
            segmenter=_segmenter(folder, manifest, digest, device, allowed) if with_network else None,
            ood=_read_reference(folder / "reference.safetensors"),
            validation=ranges,
            quality=_quality(read_json(folder / QUALITY)) if QUALITY in manifest["files"] else None,
            backend=manifest["backend"],
            modality=told_modality(manifest),
        )
    except (KeyError, TypeError) as problem:
        raise ModelMismatch(f"The model folder '{folder.name}' lacks something its manifest promises.") from problem


def save_model(
    folder: Path,
    *,
    name: str,
    version: str,
    network: "UNet",
    grid: "WorkingGrid",
    ood: Mapping[str, OodScore],
    validation: Mapping[str, ValidationRange],
    quality_kind: str | None,
    quality: Mapping[str, Any] | None,
    made_from: Mapping[str, Any],
    modality: Modality = "CT",
    mask_autoencoder: "MaskAutoencoder | None" = None,
    mask_fences: MaskFences | None = None,
) -> str:
    """Write a model folder; `made_from` says how it was trained. Returns the hash of the model.

    Args:
        quality_kind, quality: None for a model without one.
        mask_autoencoder, mask_fences: that reconstructs its masks, and from when on one is unusual, or None.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value.detach().cpu().half().numpy() for key, value in network.state_dict().items()}
    save_file(weights, folder / NETWORK)
    _write_fitted(folder, ood, validation)
    parts: tuple[str, ...] = (NETWORK, *FITTED)
    if quality is not None:
        write_json(folder / QUALITY, {"kind": quality_kind, "model": quality})
        parts = (*parts, QUALITY)
    if mask_autoencoder is not None:
        save_mask_autoencoder(folder, mask_autoencoder, mask_fences)
        parts = (*parts, *MASK_AUTOENCODER_FILES)
    described: dict[str, Any] = {"network": asdict(network.shape), "grid": asdict(grid)}
    if modality != "CT":
        described["modality"] = modality  # what a manifest without it reads is CT
    return write_manifest(folder, parts, name, version, "bundled", described, made_from)


def save_foreign_model(
    folder: Path,
    *,
    name: str,
    version: str,
    external: Spec,
    ood: Mapping[str, OodScore],
    validation: Mapping[str, ValidationRange],
    quality: tuple[str, Mapping[str, Any]] | None,
    made_from: Mapping[str, Any],
    modality: Modality = "CT",
    autoencoder: "ActivationAutoencoder | None" = None,
    mask_autoencoder: "MaskAutoencoder | None" = None,
    mask_fences: MaskFences | None = None,
) -> str:
    """Write the model folder of a model from elsewhere: what was fitted to it, and where its own files are.

    Args:
        external: see `foreign_models`.
        quality: kind and JSON of the quality model, or None.
        modality: of the images that it reads.
        autoencoder: of its bottleneck's activations, or None.
        mask_autoencoder, mask_fences: that reconstructs its masks, and from when on one is unusual, or None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_fitted(folder, ood, validation)
    (folder / QUALITY).unlink(missing_ok=True)
    if quality is not None:
        write_json(folder / QUALITY, {"kind": quality[0], "model": quality[1]})
    parts = FITTED if quality is None else (*FITTED, QUALITY)
    if autoencoder is not None:
        save_autoencoder(folder, autoencoder)
        parts = (*parts, *AUTOENCODER_FILES)
    if mask_autoencoder is not None:
        save_mask_autoencoder(folder, mask_autoencoder, mask_fences)
        parts = (*parts, *MASK_AUTOENCODER_FILES)
    described = {"external": external, "modality": modality}
    return write_manifest(folder, parts, name, version, external["backend"], described, made_from)


def _write_fitted(folder: Path, ood: Mapping[str, OodScore], validation: Mapping[str, ValidationRange]) -> None:
    from safetensors.numpy import save_file

    fitted = {f"{score}.{key}": np.ascontiguousarray(a) for score, fit in ood.items() for key, a in fit.state().items()}
    save_file(fitted, folder / "reference.safetensors")
    write_json(folder / "validation.json", {key: [r.low, r.median, r.high] for key, r in validation.items()})


def _segmenter(folder: Path, manifest: dict[str, Any], digest: str, device: str, allowed: AllowList) -> Segmenter:
    segmenter = _network(folder, manifest, digest, device, allowed)
    if AUTOENCODER_FILES[0] in manifest["files"]:
        from hospital_agent.fitted_autoencoder import attach_autoencoder

        attach_autoencoder(segmenter, load_autoencoder(folder))
    if MASK_AUTOENCODER_FILES[0] in manifest["files"]:
        from hospital_agent.analysis.segmentation.mask_autoencoder import ReconstructingSegmenter

        segmenter = ReconstructingSegmenter(segmenter, load_mask_autoencoder(folder))
    return segmenter


def _network(folder: Path, manifest: dict[str, Any], digest: str, device: str, allowed: AllowList) -> Segmenter:
    if manifest["backend"] in BACKENDS:
        return open_model(
            manifest["external"], folder,
            allowed=allowed, version=manifest["version"], model_hash=digest, device=device,
        )  # fmt: skip
    return _bundled(folder, manifest, digest, device)


def quality_inputs(told: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all values that a quality model may look at.

    Args:
        told: as `quality.json` holds it.

    Raises:
        ModelMismatch: it is damaged.
    """
    return _quality(told).inputs


def _quality(told: Mapping[str, Any]) -> QualityModel:
    return quality_models.load("hospital_agent.analysis.quality").get(told["kind"]).from_json(told["model"])


def _bundled(folder: Path, manifest: dict[str, Any], digest: str, device: str) -> Segmenter:
    from safetensors.torch import load_file

    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
    from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

    told = manifest["network"]
    network = UNet(UNetShape(**{**told, "channels": tuple(told["channels"])}))
    try:
        network.load_state_dict({key: value.float() for key, value in load_file(folder / NETWORK).items()})
    except RuntimeError as problem:
        raise ModelMismatch(
            f"The weights in '{folder.name}' do not fit the network its manifest describes."
        ) from problem
    grid = manifest["grid"]
    working = WorkingGrid(**{**grid, "spacing_mm": tuple(grid["spacing_mm"]), "tile": tuple(grid["tile"])})
    return BundledSegmenter(network, working, version=manifest["version"], model_hash=digest, device=device)


def _read_reference(path: Path) -> dict[str, OodScore]:
    from safetensors.numpy import load_file

    ood_scores.load("hospital_agent.analysis.ood")
    states: dict[str, dict[str, NDArray[Any]]] = {}
    for key, array in load_file(path).items():
        score, _, rest = key.partition(".")
        states.setdefault(score, {})[rest] = array
    return {score: ood_scores.get(score).from_state(state) for score, state in states.items()}
