"""An activation autoencoder on disk: its weights as safetensors, and a small JSON that says of what shape it is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hospital_agent.analysis.errors import AnalysisError, ModelMismatch

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder

WEIGHTS, DESCRIPTION = "autoencoder.safetensors", "autoencoder.json"
AUTOENCODER_FILES = (WEIGHTS, DESCRIPTION)


def save_autoencoder(folder: Path, autoencoder: "ActivationAutoencoder", **made_from: Any) -> None:
    """Write both files; `made_from` says how it was trained."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.detach().cpu().contiguous() for key, value in autoencoder.state_dict().items()}, folder / WEIGHTS
    )
    (folder / WEIGHTS).chmod(0o644)  # safetensors makes files that only their owner can read
    told = {"shape": asdict(autoencoder.shape), "made_from": made_from}
    (folder / DESCRIPTION).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_autoencoder(folder: Path) -> "ActivationAutoencoder":
    """Read it again.

    Raises:
        ModelMismatch: a file is missing or damaged, or they do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder, AutoencoderShape

    try:
        told = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["shape"]
        shape = AutoencoderShape(**{**told, "grid": tuple(told["grid"]), "tile": tuple(told["tile"])})
        autoencoder = ActivationAutoencoder(shape)
        autoencoder.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError, AnalysisError) as problem:
        raise ModelMismatch(f"The autoencoder in '{folder.name}' is damaged or incomplete.") from problem
    return autoencoder.eval()
