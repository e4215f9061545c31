"""A small nnU-Net v2, planned, preprocessed and trained by nnU-Net itself, on phantoms made here.

    python -m tests.nnunet_model FOLDER     plans and trains in FOLDER; some tens of seconds

The phantoms are asymmetric in every axis, their two organs lie on different sides of the body, and their coarsest axis
is X, so that nnU-Net's plan transposes the axes: a reader that loses an axis or a side cannot agree with nnU-Net.
"""

import json
import multiprocessing
import multiprocessing.pool
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

DATASET = "Dataset001_Phantom"
SHAPE = (26, 30, 12)  # (Z, Y, X)
SPACING_MM = (1.5, 1.0, 3.0)
CASES = 6
EPOCHS, ITERATIONS, BATCH = 2, 60, 2
DRAWS = 20_000  # intensities of a case
FEATURES = (4, 6, 8, 8, 8, 8, 8)
TRAINED = {configuration: f"nnUNetTrainer__nnUNetPlans__{configuration}" for configuration in ("2d", "3d_fullres")}


def phantom(seed: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(Z, Y, X) HU and labels: tissue in air, a bright organ (1) low and right, a dark one (2) high and left."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    image = np.full(SHAPE, -1000.0)
    image[2:-2, 3:-3, 1:-1] = 0.0
    labels = np.zeros(SHAPE, dtype=np.uint8)
    for label, centre, radii, hu in ((1, (8, 11, 3.5), (5, 6, 2), 250.0), (2, (17, 18, 8), (4, 5, 2), -400.0)):
        shift = rng.uniform(-1, 1, 3)
        inside = sum(
            ((axis - c - s) / r) ** 2 for axis, c, s, r in zip((z, y, x), centre, shift, radii, strict=True)
        ) < 1  # fmt: skip
        labels[inside], image[inside] = label, hu
    return (image + rng.normal(0, 25, SHAPE)).astype(np.float32), labels


def train_in(folder: Path) -> Path:
    """Train in another process (nnU-Net warns, prints and starts workers); the folder that holds `TRAINED`.

    Skips the test where nnU-Net is not installed.
    """
    if find_spec("nnunetv2") is None:
        pytest.skip("nnunetv2 is not installed (extra `nnunet`)")
    done = subprocess.run(
        [sys.executable, "-m", "tests.nnunet_model", str(folder)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "results" / DATASET


def _write_raw(raw: Path) -> None:
    import SimpleITK

    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True)
    for seed in range(CASES):
        image, labels = phantom(seed)
        for array, name in ((image, f"imagesTr/case_{seed}_0000"), (labels, f"labelsTr/case_{seed}")):
            picture = SimpleITK.GetImageFromArray(array)
            picture.SetSpacing(SPACING_MM[::-1])
            SimpleITK.WriteImage(picture, str(raw / f"{name}.nii.gz"))
    told = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "bright": 1, "dark": 2},
        "numTraining": CASES,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (raw / "dataset.json").write_text(json.dumps(told))


def _shrink(plans: Path) -> None:
    """Fewer features and smaller patches than the planner wants, so that a patch is not the whole phantom."""
    told = json.loads(plans.read_text())
    for name in TRAINED:
        configuration = told["configurations"][name]
        configuration["batch_size"] = BATCH
        configuration["patch_size"] = [8, 16, 16][-len(configuration["patch_size"]) :]
        network = configuration["architecture"]["arch_kwargs"]
        stages = 3
        network["n_stages"] = stages
        network["features_per_stage"] = list(FEATURES[:stages])
        for key in ("kernel_sizes", "strides", "n_conv_per_stage"):
            network[key] = network[key][:stages]
        network["n_conv_per_stage"] = [1] * stages
        network["n_conv_per_stage_decoder"] = [1] * (stages - 1)
    plans.write_text(json.dumps(told))


class _Threads:
    """Stands in for the context that starts worker processes: each would import torch again, for six tiny cases."""

    Pool = staticmethod(multiprocessing.pool.ThreadPool)


def _sample_little() -> None:
    """Intensities from thousands of draws: nnU-Net makes millions in each case, which has hundreds of voxels."""
    from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor

    extractor = fingerprint_extractor.DatasetFingerprintExtractor
    plain: Any = extractor.collect_foreground_intensities

    def few(*arguments: Any, **options: Any) -> Any:
        return plain(*arguments, **{**options, "num_samples": DRAWS})

    extractor.collect_foreground_intensities = staticmethod(few)


def _train(folder: Path) -> None:
    for name in ("raw", "preprocessed", "results"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{name}"] = str(folder / name)
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f", "OMP_NUM_THREADS": "1"}
    _write_raw(folder / "raw" / DATASET)

    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)
    from nnunetv2.experiment_planning import plan_and_preprocess_api as nnunet
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    _sample_little()
    plain: Any = multiprocessing.get_context
    multiprocessing.get_context = lambda *_: _Threads  # type: ignore[assignment]
    nnunet.extract_fingerprints([1], num_processes=1, clean=True, verbose=False)
    nnunet.plan_experiments([1])
    plans = folder / "preprocessed" / DATASET / "nnUNetPlans.json"
    _shrink(plans)
    nnunet.preprocess([1], configurations=tuple(TRAINED), num_processes=(1,) * len(TRAINED))
    multiprocessing.get_context = plain  # type: ignore[method-assign]
    os.environ |= {"nnUNet_n_proc_DA": "0"}  # planning wants one worker at least; training then does without
    dataset = json.loads((folder / "preprocessed" / DATASET / "dataset.json").read_text())
    for configuration in TRAINED:
        told = {**json.loads(plans.read_text()), "continue_training": False}
        trainer = nnUNetTrainer(told, configuration, 0, dataset, device=torch.device("cpu"))
        trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = (
            EPOCHS,
            ITERATIONS,
            1,
        )
        trainer.logger.plot_progress_png = lambda *_: None  # nobody looks, and a picture costs as much as an epoch
        trainer.run_training()


if __name__ == "__main__":
    _train(Path(sys.argv[1]))
