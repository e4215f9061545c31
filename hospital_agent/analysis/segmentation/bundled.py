"""The segmenter that is shipped: a small 3-D U-Net on a fixed working grid."""

import torch

from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST, PatchFeatures, segmenters
from hospital_agent.analysis.segmentation.network import NetworkSegmenter, WorkingGrid, choose_device, look
from hospital_agent.analysis.segmentation.sliding_window import Listening
from hospital_agent.analysis.segmentation.unet import UNet

__all__ = ["BundledSegmenter", "WorkingGrid", "choose_device", "infer", "unet_layers"]


def unet_layers(network: UNet) -> Listening:
    """The encoder's levels, the bottleneck under its own name, and the last feature map before the output."""
    levels = {f"encoder_{i + 1}": level for i, level in enumerate(network.encoder[:-1])}
    return Listening(BOTTLENECK, {**levels, BOTTLENECK: network.encoder[-1], LAST: network.decoder[0]})


@segmenters.register("bundled")
class BundledSegmenter(NetworkSegmenter):
    """Our own U-Net: the grid, the intensities and the layers are known from its manifest."""

    def __init__(self, network: UNet, grid: WorkingGrid, *, version: str, model_hash: str, device: str) -> None:
        super().__init__(
            network,
            grid,
            keep=unet_layers(network),
            classes=network.shape.classes,
            backend="bundled",
            version=version,
            model_hash=model_hash,
            device=device,
        )


def infer(
    network: UNet, grid: WorkingGrid, image: FloatArray, device: torch.device
) -> tuple[FloatArray, PatchFeatures]:
    """One pass over an image that lies on the working grid already.

    Returns:
        Foreground probability (Z, Y, X), and the features of the tiles, whose starts count from the image's corner.
    """
    seen = look(network, grid, image, device, Listening(BOTTLENECK, {BOTTLENECK: network.encoder[-1]}))
    assert seen.patches is not None  # noqa: S101 - they were asked for
    return 1.0 - seen.probabilities[0], seen.patches
