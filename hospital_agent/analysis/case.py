"""One volume with its segmentation and its lungs: what every feature and score is computed from."""

from dataclasses import dataclass
from functools import cached_property

from hospital_agent.analysis.components import Components, label_components
from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, Volume
from hospital_agent.analysis.segmentation.base import Segmentation


@dataclass(frozen=True, eq=False)
class Case:
    """A volume, its mask, and the lungs where the organ has them.

    Args:
        volume: the image, (Z, Y, X).
        segmentation: its mask on the same grid.
        lungs: (Z, Y, X) bool on the same grid, or None where the task has no lungs or none were found.
        lungs_backend: which backend found them, or "none".

    Raises:
        GeometryMismatch: mask or lungs lie on another grid than the volume.
    """

    volume: Volume
    segmentation: Segmentation
    lungs: BoolArray | None
    lungs_backend: str = "none"

    def __post_init__(self) -> None:
        if self.segmentation.mask.shape != self.volume.shape:
            raise GeometryMismatch(
                f"The mask has {self.segmentation.mask.shape} voxels and the volume {self.volume.shape}."
            )
        if self.lungs is not None and self.lungs.shape != self.volume.shape:
            raise GeometryMismatch(f"The lung mask has {self.lungs.shape} voxels and the volume {self.volume.shape}.")

    @property
    def mask(self) -> BoolArray:
        """(Z, Y, X) bool, the segmentation on the grid of the volume."""
        return self.segmentation.mask

    @cached_property
    def components(self) -> Components:
        """The 26-connected components of the mask, labelled once for all features."""
        return label_components(self.mask, self.volume)
