"""The manifest of a model folder: what belongs to a version, and whether it is all there and whole."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.autoencoder_files import AUTOENCODER_FILES
from hospital_agent.foreign_models import BACKENDS
from hospital_agent.mask_autoencoder_files import MASK_AUTOENCODER_FILES

FITTED = ("reference.safetensors", "validation.json")
QUALITY = "quality.json"
NETWORK = "network.safetensors"


def write_manifest(
    folder: Path,
    parts: Sequence[str],
    name: str,
    version: str,
    backend: str,
    described: Mapping[str, Any],
    made_from: Mapping[str, Any],
) -> str:
    """Write what the parts are and what their hashes are.

    Args:
        parts: files in the folder that belong to the model.
        described: what a reader must know to build it: network and grid, or `external`.
        made_from: how it was trained or fitted.

    Returns:
        The hash of the manifest, which is the hash of the model.
    """
    for part in parts:
        (folder / part).chmod(0o644)  # safetensors makes files that only their owner can read
    manifest = {
        "name": name,
        "version": version,
        "backend": backend,
        **described,
        "made_from": made_from,
        "files": {part: _sha256(folder / part) for part in parts},
    }
    write_json(folder / "manifest.json", manifest)
    return _sha256(folder / "manifest.json")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest alone; the files that it names stay unread.

    Raises:
        ModelMismatch: the folder has none, or it is damaged.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise ModelMismatch(f"'{folder.name}' is not a model folder: it holds no manifest.json.")
    return read_json(path)


def told_modality(manifest: Mapping[str, Any]) -> Modality:
    """What the model reads; CT where the manifest says nothing.

    Raises:
        ModelMismatch: it names another modality than CT and MR.
    """
    told = manifest.get("modality", "CT")
    if told not in ("CT", "MR"):
        raise ModelMismatch("The manifest of the model folder names another modality than CT and MR.")
    return "MR" if told == "MR" else "CT"


def checked_manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest and its hash, after the hash of every part was compared.

    Raises:
        ModelMismatch: a part is missing, damaged, or does not belong to this folder.
    """
    manifest = read_manifest(folder)
    files = manifest.get("files", {})
    own = FITTED if manifest.get("backend") in BACKENDS else (NETWORK, *FITTED)
    optional = (QUALITY, *AUTOENCODER_FILES, *MASK_AUTOENCODER_FILES)
    expected = dict.fromkeys((*own, *(part for part in optional if part in files)))
    for part in expected:
        if not (folder / part).is_file():
            raise ModelMismatch(f"The model folder '{folder.name}' lacks {part}.")
        if _sha256(folder / part) != files.get(part):
            raise ModelMismatch(f"{part} in '{folder.name}' is not the file that belongs to this model.")
    return manifest, _sha256(folder / "manifest.json")


def read_json(path: Path) -> dict[str, Any]:
    """One object from a file.

    Raises:
        ModelMismatch: it holds none.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ModelMismatch(f"{path.name} in '{path.parent.name}' is not JSON.") from problem
    if not isinstance(told, dict):
        raise ModelMismatch(f"{path.name} in '{path.parent.name}' does not hold an object.")
    return told


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """The same content always makes the same bytes."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
