"""Small model folders with autoencoders beside the network, and sites whose images hold a ball that is its mask."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.ood.latent_mahalanobis import LatentMahalanobis
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice, PseudoHausdorff
from hospital_agent.analysis.ood.segmentation_distortion import SegmentationDistortion
from hospital_agent.analysis.quality.fused import KIND
from hospital_agent.analysis.quality.fused_fit import fit_fused
from hospital_agent.analysis.quality.label_fences import CaseMeasures, MaskFences, mask_fences
from hospital_agent.analysis.quality.tukey import PseudoMeasures
from hospital_agent.analysis.segmentation.autoencoder import AutoencoderShape, fresh_autoencoder
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder, MaskAutoencoderShape, MaskNetwork
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.autoencoder_files import AUTOENCODER_FILES, save_autoencoder
from hospital_agent.mask_autoencoder_files import MASK_AUTOENCODER_FILES, save_mask_autoencoder
from hospital_agent.model_folder import load_model
from hospital_agent.model_manifest import FITTED, QUALITY
from hospital_agent.settings import Settings
from tests.federated_sites import write_site
from tests.model_folder import write_model
from tests.quality_cases import simulated_cases
from tests.series_files import write_nifti

GRID = MaskGrid((2.0, 2.0, 2.0), (8, 16, 16))
MASK_SHAPE = MaskAutoencoderShape(1, GRID, channels=(8, 16), latent=8)
BOTTLENECK = AutoencoderShape.chosen((8, 4, 4, 4), (16, 16, 16))
VOLUME = (12, 24, 20)
OLD_RANGE = ValidationRange(1e-9, 2e-9, 3e-9)


def fresh_mask_autoencoder(shape: MaskAutoencoderShape = MASK_SHAPE, seed: int = 0) -> MaskAutoencoder:
    """Untrained."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskAutoencoder(MaskNetwork(shape))


def old_fences() -> MaskFences:
    """Of masks that come back almost unchanged."""
    measures = [PseudoMeasures(0.98 + 0.005 * number, 1.0) for number in range(4)]
    return mask_fences([CaseMeasures(one, {1: one}) for one in measures], "label")


def write_autoencoded(
    folder: Path, *, masks: bool = True, activations: bool = True, quality_looks: bool = False
) -> Path:
    """A model folder of `write_model` with autoencoders, the scores that need them, scales and fences; all untrained.

    Args:
        quality_looks: whether its quality model looks at a score of each autoencoder.
    """
    write_model(folder)
    before, rng = load_model(folder, with_network=False), np.random.default_rng(3)
    ood: dict[str, OodScore] = dict(before.ood)
    parts = [*FITTED, QUALITY, "network.safetensors"]
    if masks:
        save_mask_autoencoder(folder, fresh_mask_autoencoder(), old_fences())
        ood |= {"mask_autoencoder_pdc": PseudoDice(1), "mask_autoencoder_phd": PseudoHausdorff(1)}
        parts += MASK_AUTOENCODER_FILES
    if activations:
        save_autoencoder(folder, fresh_autoencoder(BOTTLENECK, 0))
        latents = list(rng.normal(size=(20, 3, BOTTLENECK.latent)))
        ood["segmentation_distortion"] = SegmentationDistortion(2, 20, 20)
        ood["latent_mahalanobis"] = LatentMahalanobis.fit_cases(latents, [f"p{i}" for i in range(20)])
        parts += AUTOENCODER_FILES
    _write_scores(folder, ood, {**before.validation, **{name: OLD_RANGE for name in ood if name != "mahalanobis"}})
    if quality_looks:
        _write(folder / QUALITY, {"kind": KIND, "model": _looking_quality()})
    return rehash(folder, parts)


def rehash(folder: Path, parts: Sequence[str] | None = None) -> Path:
    """A manifest that fits the files of a folder, or these parts of it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    names = manifest["files"] if parts is None else parts
    manifest["files"] = {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}
    _write(folder / "manifest.json", manifest)
    return folder


def ball(seed: int) -> NDArray[np.uint8]:
    """(Z, Y, X) a ball of another place and size for every seed."""
    rng = np.random.default_rng([seed, 9])
    middle, radius = np.array(VOLUME) / 2 + rng.uniform(-1.5, 1.5, 3), rng.uniform(2.5, 4.0)
    steps = np.stack(np.indices(VOLUME), axis=-1) - middle
    return (np.linalg.norm(steps, axis=-1) < radius).astype(np.uint8)


def write_ball_site(folder: Path, name: str, model: Path, patients: int, seed: int, **changes: Any) -> Settings:
    """A site of `write_site` whose images hold a bright ball, which is their reference mask."""
    settings = write_site(folder, name, model, patients, seed, **changes)
    for patient in range(patients):
        for image in range(2 if patient % 3 == 0 else 1):
            write_ball(settings, f"{name}{patient}__{image}", 100 * seed + 10 * patient + image)
    return settings


def write_ball(settings: Settings, name: str, seed: int) -> None:
    """One image and its mask."""
    assert settings.federation_images is not None
    assert settings.federation_references is not None
    mask, rng = ball(seed), np.random.default_rng(seed)
    values = np.full(VOLUME, -1000, dtype=np.int16)
    values[2:-2, 3:-3, 3:-3] = rng.integers(-80, 120, size=values[2:-2, 3:-3, 3:-3].shape)
    values[mask > 0] = 600
    write_nifti(settings.federation_images / f"{name}.nii.gz", values)
    write_nifti(settings.federation_references / f"{name}.nii.gz", mask)


def _looking_quality() -> dict[str, Any]:
    rows, dice, patients = simulated_cases(patients=30, each=2)
    rng = np.random.default_rng(4)
    for row, one in zip(rows, dice, strict=True):
        for name in ("mask_autoencoder_pdc_log10", "latent_mahalanobis_log10"):
            row[name] = float(1 - one + 0.1 * rng.normal())
    directions = dict.fromkeys(rows[0], "higher_is_worse")
    fitted = fit_fused(rows, dice, patients, ["none"] * len(rows), directions, version="test-1")  # type: ignore[arg-type]
    return fitted.to_json()


def _write_scores(folder: Path, ood: dict[str, OodScore], ranges: dict[str, ValidationRange]) -> None:
    from safetensors.numpy import save_file

    state = {f"{name}.{key}": np.asarray(array) for name, score in ood.items() for key, array in score.state().items()}
    save_file(state, folder / FITTED[0])
    _write(folder / FITTED[1], {name: [one.low, one.median, one.high] for name, one in ranges.items()})


def _write(path: Path, told: dict[str, Any]) -> None:
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
