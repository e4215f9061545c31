"""Real images for tests marked `data`, from the folder that SEGWATCH_DATA names; they are never part of the project."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Triple


def data_file(relative: str) -> Path:
    """A file of the data folder; skips the test where there is none, and says why."""
    folder = os.environ.get("SEGWATCH_DATA")
    if not folder:
        pytest.skip("SEGWATCH_DATA names no folder with real images.")
    path = Path(folder) / relative
    if not path.exists():
        pytest.skip(f"The folder of SEGWATCH_DATA has no {relative}.")
    return path


def read_nifti(relative: str) -> tuple[np.ndarray, Triple]:
    """Array (Z, Y, X) with axes running as in a `Volume`, and its spacing in mm."""
    image = nibabel.load(data_file(relative))
    wanted = nibabel.orientations.axcodes2ornt(("L", "P", "S"))
    turn = nibabel.orientations.ornt_transform(nibabel.orientations.io_orientation(image.affine), wanted)
    turned = image.as_reoriented(turn)
    x, y, z = (float(step) for step in turned.header.get_zooms()[:3])
    return np.ascontiguousarray(np.asanyarray(turned.dataobj).transpose(2, 1, 0)), (z, y, x)
