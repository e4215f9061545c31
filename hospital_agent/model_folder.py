"""The model folder: everything that belongs to one version of a model, without a file that can run code.

    manifest.json           name, version, task, working grid, tile, network shape, hashes of the other files
    network.safetensors     weights
    reference.safetensors   fitted OOD scores (one prefix a score)
    validation.json         score -> smallest, median, largest over in-distribution validation cases
    quality.json            the quality model, with its measured sensitivity and specificity
    MODEL_CARD.md           for people
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.quality import QualityModel
from hospital_agent.analysis.segmentation.base import Segmenter
from shared.report import FlagQuality

SHIPPED_MODEL = Path(__file__).parent / "models" / "lung-lesions-v1"


@dataclass(frozen=True)
class LoadedModel:
    """A model folder, read and checked.

    `segmenter` is None when it was loaded without its network (scoring supplied masks needs no torch).
    """

    name: str
    version: str
    hash: str
    segmenter: Segmenter | None
    ood: Mapping[str, OodScore]
    validation: Mapping[str, ValidationRange]
    quality: QualityModel
    flag_quality: FlagQuality | None


def load_model(folder: Path, *, device: str = "auto", with_network: bool = True) -> LoadedModel:
    """Read a model folder and check the hash of every file in it.

    Args:
        device: "auto" (CUDA when there is one), "cpu" or "cuda".
        with_network: False leaves torch alone.

    Raises:
        ModelMismatch: a file is missing, damaged, or does not belong to this folder.
    """
    raise NotImplementedError
