"""An autoencoder of masks: it has seen plausible masks alone, and gives back the nearest mask of that kind.

What a network predicted and what comes back are then compared (`reconstruction`): an island, a hole or a shape that no
heart has is not given back. It looks at labels alone, so it works on masks that another product made too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import ModelMismatch, NoDropout, NoGradient, NotApplicable
from hospital_agent.analysis.imaging.volume import Shape, Triple, Volume
from hospital_agent.analysis.segmentation.base import (
    DropoutSegmenter,
    EnsembleSegmenter,
    GradientSegmenter,
    Segmentation,
    Segmenter,
)
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid, from_grid, onto_grid, place_of
from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.analysis.segmentation.reconstruction import compare

Labels = NDArray[np.uint8]
SMALLEST_AXIS = 4  # an axis is halved until it has this many positions, as in the published network
SLICES_AT_ONCE = 32


@dataclass(frozen=True)
class MaskAutoencoderShape:
    """Everything that decides the weights, and on which grid they work.

    Args:
        label_count: labels of the task, background not counted.
        grid: the fixed grid.
        channels: features of each level of the encoder; each halves every axis longer than 4.
        latent: channels of the bottleneck; fewer give back less of what is not plausible.
        dropout: after every layer but the last; 0.5 in the published network, none here: trained for minutes instead of
            hours, it gives masks back better without.
    """

    label_count: int
    grid: MaskGrid
    channels: tuple[int, ...] = (16, 32, 32, 64)
    latent: int = 16
    dropout: float = 0.0

    @property
    def sizes(self) -> list[Shape]:
        """Of the grid at each level, the full one first."""
        sizes = [self.grid.shape]
        for _ in self.channels:
            z, y, x = (n // 2 if n > SMALLEST_AXIS and n % 2 == 0 else n for n in sizes[-1])
            sizes.append((z, y, x))
        return sizes


class MaskNetwork(nn.Module):
    """(B, 1 + L, Z, Y, X) one-hot masks in, (B, 1 + L, Z, Y, X) logits out; all through a small bottleneck, no skips.

    Source: QC autoencoder 2021, as its published code has it: convolutions of width 4 that halve the grid and of width
    3 between them, batch norm, leaky ReLU 0.2 and dropout after every layer but the last, a convolutional bottleneck,
    decoder mirrored. Differs: a smaller grid, so fewer levels and a smaller bottleneck; no dropout; 3-D as well.
    """

    def __init__(self, shape: MaskAutoencoderShape) -> None:
        super().__init__()
        self.shape = shape
        widths = (1 + shape.label_count, *shape.channels)
        self.encoder = nn.Sequential()
        self.decoder = nn.Sequential()
        for (size, smaller), (outer, inner) in zip(pairwise(shape.sizes), pairwise(widths), strict=True):
            self.encoder.append(_layer(_halving(nn.Conv3d, outer, inner, size, smaller), inner, shape.dropout))
            self.encoder.append(_layer(_plain(inner, inner, smaller), inner, shape.dropout))
        deepest = shape.sizes[-1]
        self.encoder.append(_layer(_plain(widths[-1], shape.latent, deepest), shape.latent, shape.dropout))
        self.decoder.append(_layer(_plain(shape.latent, widths[-1], deepest), widths[-1], shape.dropout))
        levels = list(zip(pairwise(shape.sizes), pairwise(widths), strict=True))
        for number, ((size, smaller), (outer, inner)) in reversed(list(enumerate(levels))):
            self.decoder.append(_layer(_plain(inner, inner, smaller), inner, shape.dropout))
            wider = _halving(nn.ConvTranspose3d, inner, outer, size, smaller)
            self.decoder.append(wider if number == 0 else _layer(wider, outer, shape.dropout))

    def forward(self, masks: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.encoder(masks))
        return logits


def _halving(
    kind: type[nn.Conv3d] | type[nn.ConvTranspose3d], inputs: int, outputs: int, size: Shape, smaller: Shape
) -> nn.Module:
    """Between a level and the next: width 4 and step 2 along the axes that are halved, 3 and 1 along the others."""
    halved = [big != small for big, small in zip(size, smaller, strict=True)]
    kernel = tuple(4 if half else _width(n) for half, n in zip(halved, size, strict=True))
    padding = tuple(0 if width == 1 else 1 for width in kernel)
    return kind(inputs, outputs, kernel, tuple(2 if half else 1 for half in halved), padding)  # type: ignore[arg-type]


def _plain(inputs: int, outputs: int, size: Shape) -> nn.Conv3d:
    z, y, x = (_width(n) for n in size)
    return nn.Conv3d(inputs, outputs, (z, y, x), padding=(z // 2, y // 2, x // 2))


def _width(length: int) -> int:
    return 1 if length == 1 else 3


def _layer(convolution: nn.Module, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), nn.LeakyReLU(0.2, inplace=True), nn.Dropout(dropout))


def one_hot(labels: Tensor, label_count: int) -> Tensor:
    """(B, Z, Y, X) labels as (B, 1 + L, Z, Y, X) float."""
    hot = nn.functional.one_hot(labels.long(), 1 + label_count)
    return hot.permute(0, 4, 1, 2, 3).float()


class MaskAutoencoder:
    """A trained network that gives masks back, on whatever grid they lie.

    Args:
        network: trained on reference masks.
        device: auto, cpu or cuda; cpu by default, since masks are small.
    """

    def __init__(self, network: MaskNetwork, device: str = "cpu") -> None:
        self.device = choose_device(device)
        self.network = network.eval().to(self.device)
        self.shape = network.shape

    def reconstruct(self, labels: Labels, spacing_mm: Triple) -> Labels:
        """The nearest plausible mask on the same grid; empty for an empty one.

        Args:
            labels: (Z, Y, X) uint8.
            spacing_mm: (Z, Y, X), > 0.

        Raises:
            NotApplicable: the mask holds a label that the autoencoder does not know.
        """
        known, grid = self.shape.label_count, self.shape.grid
        if int(labels.max(initial=0)) > known:
            raise NotApplicable(f"The mask holds label {labels.max()}, and its mask autoencoder knows {known} labels.")
        place = place_of(labels, spacing_mm, grid)
        if place is None or (grid.flat and not place.slices):
            return np.zeros(labels.shape, dtype=np.uint8)
        put = torch.from_numpy(onto_grid(labels, place, grid, known))
        with torch.inference_mode():
            found = [
                torch.softmax(self.network(one_hot(some.to(self.device), known)), dim=1).cpu()
                for some in put.split(SLICES_AT_ONCE)  # type: ignore[no-untyped-call]
            ]
        z, y, x = labels.shape
        return from_grid(torch.cat(found).numpy(), place, grid, (z, y, x))

    def attached(self, found: Segmentation, spacing_mm: Triple) -> Segmentation:
        """A segmentation with its reconstruction; with a warning instead where its labels are not those known here.

        Args:
            spacing_mm: of the source grid, (Z, Y, X).
        """
        labels = found.label_map
        try:
            again = self.reconstruct(labels, spacing_mm)
        except NotApplicable as problem:
            return replace(found, warnings=(*found.warnings, str(problem)))
        return replace(found, reconstructed=compare(labels, again, spacing_mm, self.shape.label_count))

    def description(self) -> dict[str, Any]:
        """Grid and network, as JSON values."""
        return asdict(self.shape)

    def weights(self) -> dict[str, NDArray[Any]]:
        """Everything trained, as arrays."""
        return {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}

    @classmethod
    def from_parts(
        cls, description: Mapping[str, Any], weights: Mapping[str, NDArray[Any]], device: str = "cpu"
    ) -> Self:
        """The autoencoder again.

        Raises:
            ModelMismatch: the description is damaged, or the weights do not belong to it.
        """
        try:
            told = dict(description)
            grid = MaskGrid(*(tuple(told["grid"][key]) for key in ("spacing_mm", "shape")))
            network = MaskNetwork(MaskAutoencoderShape(**{**told, "grid": grid, "channels": tuple(told["channels"])}))
            network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        except (KeyError, TypeError, ValueError, RuntimeError) as problem:
            raise ModelMismatch(
                "The mask autoencoder is damaged, or its weights do not fit its description."
            ) from problem
        return cls(network, device)


class ReconstructingSegmenter:
    """Any segmenter, whose masks are compared with what a mask autoencoder makes of them; else as it was.

    Passes with dropout, steps along the gradient and the answers of single members come without reconstruction.
    """

    def __init__(self, inner: Segmenter, autoencoder: MaskAutoencoder) -> None:
        self.inner, self.autoencoder = inner, autoencoder

    def segment(self, volume: Volume) -> Segmentation:
        """Segment, and reconstruct the mask."""
        return self.autoencoder.attached(self.inner.segment(volume), volume.spacing_mm)

    def sample(self, volume: Volume, passes: int, seed: int) -> Iterator[Segmentation]:
        """As the segmenter inside; see `DropoutSegmenter`.

        Raises:
            NoDropout: it cannot be sampled.
        """
        if not isinstance(self.inner, DropoutSegmenter):
            raise NoDropout("The segmenter does not sample its dropout.")
        return self.inner.sample(volume, passes, seed)

    def perturb(self, volume: Volume, temperature: float, epsilon: float) -> Segmentation:
        """As the segmenter inside; see `GradientSegmenter`.

        Raises:
            NoGradient: it gives none.
        """
        if not isinstance(self.inner, GradientSegmenter):
            raise NoGradient("The segmenter gives no gradient.")
        return self.inner.perturb(volume, temperature, epsilon)

    def segment_members(self, volume: Volume) -> Iterator[Segmentation]:
        """The members of the ensemble inside.

        Raises:
            NotApplicable: it is no ensemble.
        """
        if not isinstance(self.inner, EnsembleSegmenter):
            raise NotApplicable("The segmenter is no ensemble.")
        return self.inner.segment_members(volume)
