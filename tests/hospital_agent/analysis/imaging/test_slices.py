"""The plane of an image's slices, from its geometry."""

import numpy as np
import pytest

from hospital_agent.analysis.imaging.slice_plane import slice_plane
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
    assert slice_plane(Volume(np.zeros(shape, dtype=np.float32), spacing)) == plane
