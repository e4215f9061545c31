"""The segmenter that is shipped: a small 3-D U-Net on a fixed working grid."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from hospital_agent.analysis.imaging.resample import resample, resample_mask, spacing_of
from hospital_agent.analysis.imaging.volume import FloatArray, Shape, Triple, Volume
from hospital_agent.analysis.segmentation.base import PatchFeatures, Segmentation, segmenters
from hospital_agent.analysis.segmentation.body import body_box
from hospital_agent.analysis.segmentation.sliding_window import sliding_window
from hospital_agent.analysis.segmentation.unet import UNet

LAYER = "encoder.bottleneck"


@dataclass(frozen=True)
class WorkingGrid:
    """The grid and the intensities on which a network was trained.

    Args:
        spacing_mm: (Z, Y, X).
        tile: voxels of one tile, (Z, Y, X).
        low_hu, high_hu: HU are clipped to this range and brought to [-1, 1].
    """

    spacing_mm: Triple = (3.0, 3.0, 3.0)
    tile: Shape = (80, 80, 80)
    low_hu: float = -1000.0
    high_hu: float = 400.0

    def normalise(self, image_hu: FloatArray) -> FloatArray:
        """HU to the network's intensities; air is -1."""
        clipped = np.clip(image_hu, self.low_hu, self.high_hu)
        scaled = (clipped - self.low_hu) * (2.0 / (self.high_hu - self.low_hu)) - 1.0
        return np.asarray(scaled, dtype=np.float32)


def choose_device(wish: str) -> torch.device:
    """ "auto" is CUDA when there is one; "cuda" without one is an error.

    Raises:
        ValueError: another word, or CUDA is asked for and there is none.
    """
    if wish not in ("auto", "cpu", "cuda"):
        raise ValueError(f"A device is auto, cpu or cuda, not '{wish}'.")
    if wish == "cuda" and not torch.cuda.is_available():
        raise ValueError("There is no CUDA device on this machine; use --device auto or cpu.")
    return torch.device("cuda" if wish != "cpu" and torch.cuda.is_available() else "cpu")


@segmenters.register("bundled")
class BundledSegmenter:
    """Resample to the working grid, slide the U-Net over it, and bring the answer back to the volume's own grid."""

    def __init__(self, network: UNet, grid: WorkingGrid, *, version: str, model_hash: str, device: str) -> None:
        self.device = choose_device(device)
        self.network = network.eval().to(self.device)
        self.grid, self.version, self.model_hash = grid, version, model_hash

    def segment(self, volume: Volume) -> Segmentation:
        """Segment a CT volume in HU; one forward pass."""
        image = resample(volume.array, volume.spacing_mm, self.grid.spacing_mm)
        probability, patches = infer(self.network, self.grid, image, self.device)
        return Segmentation(
            mask=resample_mask(probability, volume.shape),
            probability=probability,
            working_spacing_mm=spacing_of(volume.shape, volume.spacing_mm, probability.shape),
            patches=patches,
            backend="bundled",
            model_version=self.version,
            model_hash=self.model_hash,
            device=self.device.type,
            passes=1,
        )


def infer(
    network: UNet, grid: WorkingGrid, image_hu: FloatArray, device: torch.device
) -> tuple[FloatArray, PatchFeatures]:
    """One pass over an image that lies on the working grid already.

    Only the box around the body is looked at; outside it the probability is 0 and no tile lies.

    Returns:
        Foreground probability (Z, Y, X), and the features of the tiles, whose starts count from the image's corner.
    """
    box = body_box(image_hu, grid.spacing_mm)
    inside, patches = sliding_window(
        network, network.encoder[-1], LAYER, grid.normalise(image_hu[box]), grid.tile, device, padding=-1.0
    )
    probability = np.zeros(image_hu.shape, dtype=np.float32)
    probability[box] = inside
    corner = np.asarray([part.start for part in box], dtype=np.int64)
    return probability, replace(patches, starts=patches.starts + corner)
