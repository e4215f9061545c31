"""Images whose right mask is known on paper, and the model folder of a TorchScript file that was fitted to them."""

from pathlib import Path

import numpy as np

from hospital_agent.allow_list import AllowList, ModelFiles
from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.fitted_folder import fit_folder
from tests.series_files import brain_values, write_nifti
from tests.torchscript_model import write_torchscript

SHAPE = (14, 30, 26)
LESION_MR = 900
MR_INTENSITY = {"low": 0.0, "high": 800.0, "low_to": 0.0, "high_to": 1.0}  # the network's threshold is then 520


def chest(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(Z, Y, X) HU with a bright lesion, and its reference; in every third patient the reference is elsewhere too."""
    rng = np.random.default_rng(seed)
    values = np.full(SHAPE, -1000, dtype=np.int16)
    values[2:-2, 5:-5, 5:-5] = rng.integers(-80, 120, size=values[2:-2, 5:-5, 5:-5].shape)
    return _with_lesion(values, 700, seed, rng)


def brain(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(Z, Y, X) brightness of an MR with a bright lesion, and its reference; else as `chest`."""
    return _with_lesion(brain_values(SHAPE, seed), LESION_MR, seed, np.random.default_rng(seed))


def write_cases(folder: Path, patients: int, modality: Modality = "CT") -> Path:
    """images/ and references/ of as many patients, named case_<seed>."""
    for part in ("images", "references"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for seed in range(patients):
        values, reference = brain(seed) if modality == "MR" else chest(seed)
        write_nifti(folder / "images" / f"case_{seed}_0000.nii.gz", values)
        write_nifti(folder / "references" / f"case_{seed}.nii.gz", reference)
    return folder


def digest_of(model: Path) -> str:
    """The hash by which a site allows a TorchScript file."""
    return ModelFiles.read(model.parent, ["model.ts", "model.json"]).digest


def write_fitted(folder: Path, modality: Modality = "CT", patients: int = 8) -> tuple[Path, str]:
    """A model folder that was fitted to a TorchScript file, which it holds; and the hash that allows it."""
    changes = {"intensity": MR_INTENSITY} if modality == "MR" else {}
    model = write_torchscript(folder / "foreign", **changes)
    digest, cases, out = digest_of(model), write_cases(folder / "cases", patients, modality), folder / "fitted"
    fit_folder(
        [model], cases / "images", cases / "references", out, allowed=AllowList.of([digest]), device="cpu",
        orientation=None, mirroring=False, copy=True, name=None, say=lambda _: None, modality=modality,
    )  # fmt: skip
    return out, digest


def _with_lesion(values: np.ndarray, bright: int, seed: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    reference = np.zeros(SHAPE, dtype=np.uint8)
    z, y, x = rng.integers(3, 6), rng.integers(7, 14), rng.integers(7, 12)
    values[z : z + 4, y : y + 6, x : x + 6] = bright
    reference[z : z + 4, y : y + 6, x : x + 6] = 1
    if seed % 3 == 0:
        reference[3:11, 18:24, 14:20] = 1  # what the threshold cannot see: these masks have failed
    return values, reference
