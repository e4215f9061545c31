"""A mask autoencoder on disk: its weights as safetensors, and a small JSON with its grid and the fences of masks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality.label_fences import MaskFences

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder

WEIGHTS, DESCRIPTION = "mask_autoencoder.safetensors", "mask_autoencoder.json"
MASK_AUTOENCODER_FILES = (WEIGHTS, DESCRIPTION)


def save_mask_autoencoder(
    folder: Path, autoencoder: "MaskAutoencoder", fences: MaskFences | None = None, **made_from: Any
) -> None:
    """Write both files; `made_from` says how it was trained.

    Args:
        fences: from when on a mask is unusual; None where nobody knows.
    """
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in autoencoder.weights().items()}, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors makes files that only their owner can read
    told = {"shape": autoencoder.description(), "made_from": made_from}
    if fences is not None:
        told["fences"] = fences.to_json()
    (folder / DESCRIPTION).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_mask_autoencoder(folder: Path, device: str = "cpu") -> "MaskAutoencoder":
    """Read it again.

    Raises:
        ModelMismatch: a file is missing or damaged, or they do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder

    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["shape"]
        weights = load_file(folder / WEIGHTS)
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as problem:
        raise ModelMismatch(f"The mask autoencoder in '{folder.name}' is damaged or incomplete.") from problem
    return MaskAutoencoder.from_parts(described, weights, device)


def load_fences(folder: Path) -> MaskFences | None:
    """From when on a mask is unusual; None where the folder has no mask autoencoder, or one without fences.

    Raises:
        ModelMismatch: they are damaged.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8")).get("fences")
    except (AttributeError, ValueError) as problem:
        raise ModelMismatch(f"The mask autoencoder in '{folder.name}' is damaged or incomplete.") from problem
    return None if told is None else MaskFences.from_json(told)
