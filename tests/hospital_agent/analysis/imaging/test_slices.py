"""The plane of an image's slices and the diagonal of its pixels, from its geometry."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.slices import slices_of
from hospital_agent.analysis.imaging.volume import Shape, Triple, Volume


@pytest.mark.parametrize(
    ("spacing", "shape", "plane"),
    [
        ((8.0, 1.5, 1.5), (3, 4, 5), "axial"),
        ((1.5, 8.0, 1.5), (3, 4, 5), "coronal"),
        ((1.5, 1.5, 8.0), (3, 4, 5), "sagittal"),
        ((1.0, 1.0, 1.0), (3, 4, 5), "isotropic"),
        ((1.5, 1.0, 1.0), (3, 4, 5), "isotropic"),
        ((1.6, 1.0, 1.0), (3, 4, 5), "axial"),
        ((8.0, 8.0, 1.0), (3, 4, 5), "isotropic"),
        ((1.0, 1.0, 1.0), (3, 1, 5), "coronal"),
        ((8.0, 1.0, 1.0), (3, 4, 1), "sagittal"),
        ((1.0, 1.0, 1.0), (1, 1, 1), "isotropic"),
    ],
)
def test_slices_lie_across_the_longest_voxel_axis_or_the_only_slice(spacing: Triple, shape: Shape, plane: str) -> None:
    assert slices_of(Volume(np.zeros(shape, dtype=np.float32), spacing)).plane == plane


@pytest.mark.parametrize(
    ("spacing", "shape", "diagonal"),
    [((8.0, 3.0, 4.0), (3, 4, 5), 5.0), ((3.0, 9.0, 4.0), (3, 4, 5), 5.0), ((3.0, 4.0, 9.0), (3, 4, 1), 5.0),
     ((5.0, 3.0, 4.0), (3, 4, 5), 5.0), ((3.0, 4.0, 3.0), (1, 4, 5), 5.0), ((1.0, 1.0, 1.0), (3, 4, 5), 2**0.5)],
)  # fmt: skip
def test_the_diagonal_of_a_pixel_leaves_the_thickness_of_slices_out(
    spacing: Triple, shape: Shape, diagonal: float
) -> None:
    assert slices_of(Volume(np.zeros(shape, dtype=np.float32), spacing)).pixel_mm == pytest.approx(diagonal)
