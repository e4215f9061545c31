"""Models that others made and trained: which files they are, and the segmenter that they become.

A model from elsewhere is described by a small mapping, as it stands in the manifest of a model folder:

    {"backend": "nnunet", "path": "...", "sha256": "...", "fold": "0", "checkpoint": "checkpoint_final.pth",
     "orientation": "LPS", "mirroring": false, "layers": null}
    {"backend": "monai", "path": "...", "sha256": "...", "config": "configs/inference.json",
     "weights": "models/model.pt", "layers": null}
    {"backend": "torchscript", "path": "...", "sha256": "...", "program": "model.ts", "description": "model.json"}
    {"backend": "ensemble", "members": [...]}

`path` is the folder that holds the files, absolute or relative to the model folder. Only local files are ever read.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hospital_agent.allow_list import AllowList, ModelFiles
from hospital_agent.analysis.errors import ModelMismatch, RunsCode
from hospital_agent.analysis.segmentation.base import Segmenter

Spec = Mapping[str, Any]
BACKENDS = ("nnunet", "monai", "torchscript", "ensemble")
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
WEIGHTS = ("models/model.pt", "models/model.ts")
PROGRAM_SUFFIXES = (".ts", ".pt", ".pth")


def describe(path: Path, *, orientation: str | None = None, mirroring: bool = False) -> dict[str, Any]:
    """What a path holds: a trained-model folder of nnU-Net (all its folds, or one), a MONAI bundle, a TorchScript file.

    Args:
        orientation: of the files with which an nnU-Net was trained; LPS when None. Where nnU-Net's own reader turns
            every file into one orientation, it is that one.

    Raises:
        ModelMismatch: none of these.
    """
    path = path.resolve()
    if path.is_file() and path.suffix in PROGRAM_SUFFIXES:
        beside = path.with_suffix(".json")
        if not beside.is_file():
            raise ModelMismatch(f"'{path.name}' lacks its description: a file {beside.name} beside it.")
        return _with_hash(
            {"backend": "torchscript", "path": str(path.parent), "program": path.name, "description": beside.name}
        )
    if (path / "plans.json").is_file():
        return _nnunet_folds(path, sorted(path.glob("fold_*")), orientation, mirroring)
    if path.name.startswith("fold_") and (path.parent / "plans.json").is_file():
        return _nnunet_folds(path.parent, [path], orientation, mirroring)
    config = next((name for name in CONFIGS if (path / name).is_file()), None)
    weights = next((name for name in WEIGHTS if (path / name).is_file()), None)
    if config is not None and weights is not None:
        return _with_hash({"backend": "monai", "path": str(path), "config": config, "weights": weights})
    raise ModelMismatch(
        f"'{path.name}' is no model that can be read: neither a trained-model folder of nnU-Net v2 (plans.json, "
        "fold_0/checkpoint_final.pth), nor a MONAI bundle (configs/inference.json, models/model.pt), nor a TorchScript "
        "file with a .json beside it."
    )


def together(specs: list[dict[str, Any]]) -> dict[str, Any]:
    """One model as it is; several as an ensemble."""
    flat = [member for spec in specs for member in spec.get("members", [spec])]
    return flat[0] if len(flat) == 1 else {"backend": "ensemble", "members": flat}


def file_names(spec: Spec) -> list[str]:
    """The files of one model, below its path.

    Raises:
        ModelMismatch: the description lacks something.
    """
    names: dict[str, tuple[str, ...]] = {
        "nnunet": ("plans.json", "dataset.json", "fold_{fold}/{checkpoint}"),
        "monai": ("{config}", "{weights}"),
        "torchscript": ("{program}", "{description}"),
    }
    try:
        return [name.format(**spec) for name in names[spec["backend"]]]
    except (KeyError, TypeError):
        raise ModelMismatch("The description of a model from elsewhere lacks something.") from None


def read_files(spec: Spec, base: Path) -> ModelFiles:
    """The files of one model, checked against the hash in its description.

    Args:
        base: the folder that a relative path starts from.

    Raises:
        ModelMismatch: a file is missing, or not the one the description was made for.
    """
    files = ModelFiles.read(base / str(spec.get("path", "")), file_names(spec))
    files.check(spec.get("sha256"))
    return files


def open_model(spec: Spec, base: Path, *, allowed: AllowList, version: str, model_hash: str, device: str) -> Segmenter:
    """The segmenter of a model from elsewhere.

    Raises:
        ModelMismatch: the files are not those of the description, or do not belong together.
        ModelNotAllowed: loading runs code, and the site has not allowed these files.
        BackendUnavailable, NotApplicable: the library is not installed; the model needs what is not followed here.
    """
    if spec.get("backend") == "ensemble":
        from hospital_agent.analysis.segmentation.ensemble import EnsembleOfSegmenters

        members = [
            open_model(member, base, allowed=allowed, version=version, model_hash=model_hash, device=device)
            for member in spec["members"]
        ]
        return EnsembleOfSegmenters(members, version=version, model_hash=model_hash)
    files = read_files(spec, base)
    told = {"trusted": files.digest in allowed, "version": version, "model_hash": model_hash, "device": device}
    try:
        return _OPEN[spec["backend"]](spec, files, told)
    except RunsCode as refused:
        raise files.refusal(str(refused)) from None


def _open_nnunet(spec: Spec, files: ModelFiles, told: dict[str, Any]) -> Segmenter:
    from hospital_agent.analysis.segmentation.nnunet import NnunetOptions
    from hospital_agent.analysis.segmentation.nnunet_loading import load_nnunet

    options = NnunetOptions(spec.get("orientation", "LPS"), bool(spec.get("mirroring", False)), spec.get("layers"))
    plans, dataset, checkpoint = files.content.values()
    return load_nnunet(_json(plans, "plans.json"), _json(dataset, "dataset.json"), checkpoint, options, **told)


def _open_monai(spec: Spec, files: ModelFiles, told: dict[str, Any]) -> Segmenter:
    from hospital_agent.analysis.segmentation.monai_bundle import load_bundle

    config, weights = files.content.values()
    read = _json if spec["config"].endswith(".json") else _yaml
    scripted = spec["weights"].endswith(".ts")
    return load_bundle(read(config, spec["config"]), weights, scripted=scripted, layers=spec.get("layers"), **told)


def _open_torchscript(spec: Spec, files: ModelFiles, told: dict[str, Any]) -> Segmenter:
    from hospital_agent.analysis.segmentation.torchscript import load_torchscript

    program, description = files.content.values()
    return load_torchscript(program, _json(description, spec["description"]), **told)


_OPEN = {"nnunet": _open_nnunet, "monai": _open_monai, "torchscript": _open_torchscript}


def _nnunet_folds(folder: Path, folds: list[Path], orientation: str | None, mirroring: bool) -> dict[str, Any]:
    specs = []
    for fold in folds:
        checkpoint = next((name for name in CHECKPOINTS if (fold / name).is_file()), None)
        if checkpoint is not None:
            specs.append(
                {
                    "backend": "nnunet",
                    "path": str(folder),
                    "fold": fold.name.removeprefix("fold_"),
                    "checkpoint": checkpoint,
                    "orientation": reader_orientation(folder) or orientation or "LPS",
                    "mirroring": mirroring,
                }
            )
    if not specs:
        raise ModelMismatch(f"'{folder.name}' holds no fold with {CHECKPOINTS[0]}.")
    return together([_with_hash(spec) for spec in specs])


def reader_orientation(folder: Path) -> str | None:
    """The orientation into which nnU-Net's reader turns every file; None where it reads them as they lie."""
    reader = _json((folder / "plans.json").read_bytes(), "plans.json").get("image_reader_writer")
    return "RAS" if reader == "NibabelIOWithReorient" else None


def _with_hash(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "sha256": read_files(spec, Path()).digest}


def _json(content: bytes, name: str) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError:
        raise ModelMismatch(f"{name} is not JSON.") from None
    if not isinstance(told, dict):
        raise ModelMismatch(f"{name} does not hold an object.")
    return told


def _yaml(content: bytes, name: str) -> dict[str, Any]:
    import yaml

    try:
        told = yaml.safe_load(content)
    except yaml.YAMLError:
        raise ModelMismatch(f"{name} is not YAML.") from None
    if not isinstance(told, dict):
        raise ModelMismatch(f"{name} does not hold an object.")
    return told
