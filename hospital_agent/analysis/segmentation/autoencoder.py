"""The activation autoencoder: what a network's bottleneck would look like if it were like those of training.

Two blocks of convolutions, layer norm and leaky ReLU narrow the bottleneck of one tile, each with a stride at its end;
a dense layer leaves a latent vector, and mirrored layers bring it back. The narrow vector is what regularises: what
training never showed cannot pass it.

Source:
    Lennartz and Schultz, Segmentation Distortion, 2023, sec. 3.1. Differs: 3-D beside 2-D, three convolutions a block
    instead of four and fewer channels, since our bottlenecks are small and the price is paid for every case; layer norm
    with a scale and a shift a channel instead of a position; upsampling by the nearest value, so that odd grids mirror.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import FeatureShapeError, TileMismatch
from hospital_agent.analysis.imaging.volume import Shape

LATENT = 64
WIDEST = 32  # channels of the first block
BLOCKS = 2


@dataclass(frozen=True)
class AutoencoderShape:
    """Everything that decides the autoencoder's weights.

    Args:
        channels: of the bottleneck.
        grid: (Z, Y, X) of the bottleneck of one tile.
        tile: (Z, Y, X) voxels of the tile that makes such a bottleneck; only for the words of an error.
        latent: numbers of the latent vector.
        width: channels of the first block; the next has twice as many.
    """

    channels: int
    grid: Shape
    tile: Shape
    latent: int = LATENT
    width: int = WIDEST

    def __post_init__(self) -> None:
        if min(self.channels, *self.grid, *self.tile, self.latent, self.width) < 1:
            raise FeatureShapeError("A bottleneck has at least one channel and one position along each axis.")

    @classmethod
    def chosen(cls, bottleneck: tuple[int, ...], tile: Shape, latent: int = LATENT) -> "AutoencoderShape":
        """For a bottleneck (C, Z, Y, X) or (C, Y, X): never wider than it, and a latent of at most an eighth of it."""
        channels, *axes = bottleneck
        grid = (1, *axes) if len(axes) == 2 else tuple(axes)
        if len(grid) != 3:
            raise FeatureShapeError(f"A bottleneck has channels and two or three axes, not shape {bottleneck}.")
        numbers = channels * grid[0] * grid[1] * grid[2]
        return cls(channels, grid, tile, min(latent, max(1, numbers // 8)), min(WIDEST, channels))

    @property
    def levels(self) -> tuple[Shape, ...]:
        """The grids from the bottleneck down; an axis of one position stays, the others are halved and rounded up."""
        found = [self.grid]
        for _ in range(BLOCKS):
            z, y, x = ((n + 1) // 2 for n in found[-1])
            found.append((z, y, x))
        return tuple(found)


class ActivationAutoencoder(nn.Module):
    """(B, C, Z, Y, X) activations in, the same of training's kind out; its latent vectors lie in between.

    A bottleneck (B, C, Y, X) of a 2-D network goes through as well.

    Raises:
        TileMismatch: the activations are not of the bottleneck that it was made for.
    """

    def __init__(self, shape: AutoencoderShape) -> None:
        super().__init__()
        self.shape = shape
        levels = shape.levels
        widths = [shape.width << i for i in range(BLOCKS + 1)]
        down: list[nn.Module] = [_layer(shape.channels, widths[0], levels[0])]
        up: list[nn.Module] = []
        for (fine, coarse), (grid, below) in zip(pairwise(widths), pairwise(levels), strict=True):
            down += [_layer(fine, fine, grid), _layer(fine, coarse, grid, stride=2)]
            up = [nn.Upsample(size=grid), _layer(coarse, fine, grid), _layer(fine, fine, grid), *up]
            assert _strided(grid) == below  # noqa: S101 - how the grids are counted and what the strides leave
        flat = widths[-1] * levels[-1][0] * levels[-1][1] * levels[-1][2]
        self.down = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, shape.latent))
        self.up = nn.Sequential(
            nn.Linear(shape.latent, flat),
            nn.Unflatten(1, (widths[-1], *levels[-1])),
            nn.LeakyReLU(0.01),
            *up,
            nn.Conv3d(widths[0], shape.channels, 1),
        )

    def encode(self, activations: Tensor) -> Tensor:
        """(B, L) latent vectors."""
        shape = self.shape
        solid = activations.unsqueeze(2) if activations.ndim == 4 else activations
        if tuple(solid.shape[1:]) != (shape.channels, *shape.grid):
            raise TileMismatch(
                f"The autoencoder was made for a bottleneck of {_by((shape.channels, *shape.grid))} numbers and not of "
                f"{_by(tuple(solid.shape[1:]))}: cut tiles of {_by(shape.tile)} voxels."
            )
        latents: Tensor = self.down(solid)
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, Z, Y, X) activations from latent vectors."""
        activations: Tensor = self.up(latents)
        return activations

    def answer(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """The reconstruction, in the shape and the precision of the activations, and the latent vectors.

        Computed in full precision, as in training, where the network around it computes in half (nnU-Net on CUDA).
        """
        with torch.autocast(activations.device.type, enabled=False):
            latents = self.encode(activations.float())
            return self.decode(latents).reshape(activations.shape).to(activations.dtype), latents

    def forward(self, activations: Tensor) -> Tensor:
        return self.answer(activations)[0]


def fresh_autoencoder(shape: AutoencoderShape, seed: int) -> ActivationAutoencoder:
    """With random weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ActivationAutoencoder(shape)


def _layer(inputs: int, outputs: int, grid: Shape, stride: int = 1) -> nn.Sequential:
    """Convolution, layer norm over channels and grid, activation; an axis of one position is not looked along."""
    z, y, x = (1 if n == 1 else 3 for n in grid)
    steps = (min(z, stride), min(y, stride), min(x, stride))
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, (z, y, x), stride=steps, padding=(z // 2, y // 2, x // 2), bias=False),
        nn.GroupNorm(1, outputs),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _strided(grid: Shape) -> Shape:
    z, y, x = ((n - 1) // 2 + 1 for n in grid)
    return z, y, x


def _by(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers))
