"""A folder of small labelled MR volumes: a bright and a grey ball in a dark, noisy box; their place differs."""

from pathlib import Path

import nibabel
import numpy as np


def write_balls(folder: Path, patients: int, images: int = 1, shape: tuple[int, int, int] = (24, 24, 16)) -> None:
    """`patients` x `images` pairs under images/ and labels/, named p<patient>_<image>.nii.gz, 2 mm voxels."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for patient in range(patients):
        for image in range(images):
            rng = np.random.default_rng([patient, image])
            grid = np.indices(shape)
            first, second = rng.uniform(7, 9, 3), rng.uniform(14, 16, 3)
            labels = np.zeros(shape, dtype=np.uint8)
            for number, centre, radius in ((1, first, 4.0), (2, (second[0], second[1], 8.0), 3.0)):
                away = sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True))
                labels[away < radius**2] = number
            voxels = 100.0 + 300.0 * (labels == 1) + 150.0 * (labels == 2) + rng.normal(0, 15, shape)
            affine = np.diag([2.0, 2.0, 2.0, 1.0])
            name = f"p{patient:02d}_{image}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), affine), folder / "images" / name)
            nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "labels" / name)
