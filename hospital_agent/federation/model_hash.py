"""The hash by which sites know that they speak of the same model."""

import hashlib
from pathlib import Path

from hospital_agent.model_folder import modality_of


def hash_of(folder: Path) -> str:
    """The hash of a model: of its manifest, which names every part. The parts stay unread.

    Raises:
        ModelMismatch: it is no model folder.
    """
    modality_of(folder)
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
