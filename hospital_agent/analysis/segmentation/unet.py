"""The 3-D U-Net of the bundled segmenter, on one page.

Five levels, two 3x3x3 convolutions each, instance norm, leaky ReLU, dropout 0.1 in each level; the encoder halves the
grid between levels, the decoder doubles it and joins the encoder's features of the same level. It is deliberately
small: a hospital without a GPU must get its answer in seconds.

Source:
    Ronneberger et al., MICCAI 2015; Çiçek et al., MICCAI 2016; norm and activation as in nnU-Net (Isensee et al.).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class UNetShape:
    """Everything that decides the network's weights.

    Args:
        channels: features of each level, from the full grid down to the bottleneck.
        classes: softmax classes, background included.
        dropout: probability with which a feature map is zeroed, in each level.
        depth_kernel: 3 looks along Z too; 1 makes a 2-D network that takes a stack slice by slice.
        depth_stride: 2 halves Z between levels as well; 1 keeps it, for thick slices and for 2-D.
    """

    channels: tuple[int, ...] = (16, 32, 48, 64, 96)
    classes: int = 2
    dropout: float = 0.1
    depth_kernel: int = 3
    depth_stride: int = 2

    @property
    def divisor(self) -> int:
        """Every axis of a tile must be a multiple of this many voxels (Z only where it is halved too)."""
        return 1 << (len(self.channels) - 1)

    @property
    def kernel(self) -> tuple[int, int, int]:
        """Of every convolution, (Z, Y, X)."""
        return self.depth_kernel, 3, 3

    @property
    def stride(self) -> tuple[int, int, int]:
        """Between levels, (Z, Y, X)."""
        return self.depth_stride, 2, 2


class Level(nn.Sequential):
    """Two convolutions, each with norm and activation, then dropout."""

    def __init__(self, inputs: int, outputs: int, shape: UNetShape, *, first: bool = True) -> None:
        kernel, padding = shape.kernel, (shape.depth_kernel // 2, 1, 1)
        super().__init__(
            nn.Conv3d(inputs, outputs, kernel, stride=1 if first else shape.stride, padding=padding, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
            nn.Conv3d(outputs, outputs, kernel, padding=padding, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
            nn.Dropout3d(shape.dropout),
        )


class UNet(nn.Module):
    """(B, 1, Z, Y, X) normalised intensities in, (B, classes, Z, Y, X) logits out.

    `encoder[-1]` is the bottleneck: hook it for feature-space scores.
    """

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.channels
        self.encoder = nn.ModuleList(
            Level(1 if i == 0 else widths[i - 1], width, shape, first=i == 0) for i, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(deep, width, shape.stride, stride=shape.stride) for width, deep in pairwise(widths)
        )
        self.decoder = nn.ModuleList(Level(2 * width, width, shape) for width in widths[:-1])
        self.head = nn.Conv3d(widths[0], shape.classes, 1)

    def encode(self, tile: Tensor) -> list[Tensor]:
        """Features of every level; the last one is the bottleneck."""
        features = []
        for level in self.encoder:
            tile = level(tile)
            features.append(tile)
        return features

    def decode(self, features: list[Tensor]) -> Tensor:
        """Logits from the features of every level."""
        deep = features[-1]
        for up, decoder, skip in zip(reversed(self.up), reversed(self.decoder), reversed(features[:-1]), strict=True):
            deep = decoder(torch.cat([up(deep), skip], dim=1))
        logits: Tensor = self.head(deep)
        return logits

    def forward(self, tile: Tensor) -> Tensor:
        return self.decode(self.encode(tile))
