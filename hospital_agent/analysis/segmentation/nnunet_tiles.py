"""Listening to the tiles of nnU-Net's own sliding window: one pooled row a tile, sums of every layer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import MissingLayer
from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.ood.tiles import overlap
from hospital_agent.analysis.segmentation.axes import AxisMap
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LayerSummary, PatchFeatures
from hospital_agent.analysis.segmentation.layers import LayerSums, listening, pooled_rows


@dataclass(frozen=True, eq=False)
class Heard:
    """What one pass of nnU-Net left, along its own axes and on its own (cropped) grid.

    Args:
        rows: (P, D).
        starts: (P, 3), negative where the image was padded to a tile.
        tile, shape: of a tile and of the image without padding.
        layers: name -> summary.
    """

    rows: FloatArray
    starts: NDArray[np.int64]
    tile: Shape
    shape: Shape
    layers: dict[str, LayerSummary]

    def patches(self, axes: AxisMap, below: Sequence[int], above: Sequence[int]) -> PatchFeatures:
        """The tiles on the volume's axes, on the working grid with what was cropped away given back."""
        z, y, x = (n + b + a for n, b, a in zip(self.shape, below, above, strict=True))
        starts = axes.starts_back(self.starts + np.asarray(below, dtype=np.int64), self.tile, (z, y, x))
        importance = np.ascontiguousarray(axes.back(nnunet_importance(self.tile)))
        tile = (importance.shape[0], importance.shape[1], importance.shape[2])
        return PatchFeatures(self.rows, starts, tile, importance, BOTTLENECK)


def nnunet_importance(tile: Shape) -> FloatArray:
    """The weights with which nnU-Net blends a tile, from nnU-Net itself; (Z, Y, X) with Z 1 for a 2-D network."""
    patch = tile[1:] if tile[0] == 1 else tile
    found: FloatArray = gaussian(patch, torch.device("cpu")).float().numpy().reshape(tile)
    return found


def gaussian(patch: tuple[int, ...], where: torch.device) -> Tensor:
    """nnU-Net's own weights of a tile, in its half precision."""
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    weights: Tensor = compute_gaussian(tuple(patch), sigma_scale=1.0 / 8, value_scaling_factor=10, device=where)
    return weights


class Ear:
    """Hears every tile once, in the order in which nnU-Net takes them.

    Args:
        real: shape of the image along nnU-Net's axes, before it is padded to a tile.
        patch: nnU-Net's patch size; two numbers for a 2-D network, which takes the slices of the first axis.
        classes: labels, background included.
        decide: logits (C, ...) of a tile -> its labels.
        passes: how often nnU-Net asks the network for one tile (mirroring); the first time it is not mirrored.
    """

    def __init__(
        self,
        real: tuple[int, ...],
        patch: tuple[int, ...],
        classes: int,
        decide: Callable[[Tensor], Tensor],
        passes: int,
    ) -> None:
        self.shape: Shape = (real[0], real[1], real[2])
        self.flat = len(patch) == 2
        self.tile: Shape = (1, patch[0], patch[1]) if self.flat else (patch[0], patch[1], patch[2])
        self.classes, self.decide, self.passes = classes, decide, passes
        self.begin(real, ())

    def begin(self, padded: tuple[int, ...] | torch.Size, slicers: Sequence[tuple[Any, ...]]) -> None:
        """A sliding window begins, or begins again because memory ran out; forget what was heard."""
        below = [(p - n) // 2 for p, n in zip(padded, self.shape, strict=True)]
        corners = [[part.start if isinstance(part, slice) else part for part in slicer[1:]] for slicer in slicers]
        self.starts = np.array(corners, dtype=np.int64).reshape(-1, 3) - np.asarray(below)
        self.calls = 0
        self.rows: list[FloatArray] = []
        self.sums: dict[str, LayerSums] = {}

    @contextmanager
    def on(self, network: nn.Module, layers: Mapping[str, nn.Module]) -> Iterator[None]:
        """Listen for as long as the block lasts."""
        if not layers:
            yield
            return
        with listening(layers) as latest:

            def take(_module: nn.Module, _inputs: object, logits: Tensor) -> None:
                if self.calls % self.passes == 0:
                    self._take(self.starts[self.calls // self.passes], latest, logits[0])
                self.calls += 1

            handle = network.register_forward_hook(take)
            try:
                yield
            finally:
                handle.remove()

    def heard(self) -> Heard:
        """Everything heard since the window began.

        Raises:
            MissingLayer: not every tile was heard.
        """
        if len(self.rows) != len(self.starts) or not self.rows:
            raise MissingLayer("The network did not pass through the layers that were listened to, tile by tile.")
        summaries = {name: sums.summary() for name, sums in self.sums.items()}
        return Heard(np.stack(self.rows), self.starts, self.tile, self.shape, summaries)

    def _take(self, start: NDArray[np.int64], latest: Mapping[str, Tensor], logits: Tensor) -> None:
        labels = self.decide(logits).reshape(self.tile)
        inner = overlap(start, self.tile, self.shape)[1]
        for name, activation in latest.items():
            solid = activation.unsqueeze(2) if self.flat else activation
            if name == BOTTLENECK:
                self.rows += pooled_rows(solid)
            self.sums.setdefault(name, LayerSums(self.classes)).add(solid[0], labels.to(solid.device), inner)
