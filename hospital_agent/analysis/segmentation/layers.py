"""Listening to layers while a network runs: pooled rows for the tiles, sums over positions for the summaries."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import MissingLayer
from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.analysis.ood.pooling import pool_patch
from hospital_agent.analysis.ood.products import summed_products
from hospital_agent.analysis.ood.tiles import Box
from hospital_agent.analysis.segmentation.base import LayerSummary


def named_layer(network: nn.Module, name: str) -> nn.Module:
    """The layer under its dotted name, e.g. "encoder.4".

    Raises:
        MissingLayer: the network has no such layer.
    """
    try:
        return network.get_submodule(name)
    except AttributeError:
        raise MissingLayer(f"The network has no layer '{name}'.") from None


@contextmanager
def listening(layers: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """The latest output of each layer, by name, for as long as the block lasts; the network is not changed.

    Example:
        with listening({"last": network.decoder[0]}) as heard:
            logits = network(tile)
            features = heard["last"]
    """
    heard: dict[str, Tensor] = {}

    def put(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            heard[name] = output.detach()

        return hook

    handles = [layer.register_forward_hook(put(name)) for name, layer in layers.items()]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def pooled_rows(activation: Tensor) -> list[FloatArray]:
    """One pooled and flattened row for each tile of a batch (B, C, Z, Y, X)."""
    return [pool_patch(one).reshape(-1) for one in activation.float().cpu().numpy()]


class LayerSums:
    """Adds up the feature maps of tiles, in float64, and becomes a `LayerSummary`.

    Args:
        classes: how many classes the network predicts, background included.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.position_count = 0
        self._sums: Float64Array | None = None

    def add(self, activation: Tensor, predicted: Tensor, inner: Box) -> None:
        """Add one tile.

        Args:
            activation: (C, Z, Y, X), possibly coarser than the tile.
            predicted: (Z, Y, X) predicted class on the grid of the tile.
            inner: the part of the tile that lies on real voxels; the rest is left out.
        """
        axes = list(zip(activation.shape[1:], predicted.shape, inner, strict=True))
        kept = [_positions(length, tile, side) for length, tile, side in axes]
        under = [
            _voxels_under(positions, length, tile) for positions, (length, tile, _) in zip(kept, axes, strict=True)
        ]
        rows = activation[(slice(None), *_grid(kept))].flatten(1)
        of_class = predicted[_grid(under)].flatten()
        if rows.is_cuda:
            products = products_on_device(rows, of_class, self.classes)
        else:
            products = summed_products(rows.float().numpy(), of_class.numpy(), self.classes, torch.get_num_threads())
        self.position_count += rows.shape[1]
        self._sums = products if self._sums is None else self._sums + products

    def summary(self) -> LayerSummary:
        """The sums so far.

        Raises:
            MissingLayer: nothing was added.
        """
        if self._sums is None:
            raise MissingLayer("A layer that heard no tile has no summary.")
        products = self._sums
        channels = len(products) - self.classes
        class_sums, class_counts = products[channels:, :channels], products.diagonal()[channels:]
        with np.errstate(invalid="ignore"):
            class_means = class_sums / class_counts[:, None]
        return LayerSummary(
            class_sums.sum(axis=0) / self.position_count,
            products[:channels, :channels],
            self.position_count,
            class_means,
            class_counts.astype(np.int64),
        )


def products_on_device(rows: Tensor, of_class: Tensor, classes: int) -> Float64Array:
    """`summed_products` where the tile lies: a tile of features is too much to fetch from a GPU."""
    hot = nn.functional.one_hot(of_class.to(rows.device).long(), classes).T
    together = torch.cat([rows.double(), hot.double()])
    found: Float64Array = (together @ together.T).cpu().numpy()
    return found


def _positions(length: int, tile: int, side: slice) -> list[int]:
    """Positions of a coarse axis whose centres lie on real voxels; the nearest one where that would be none."""
    step = tile / length
    kept = [i for i in range(length) if side.start <= (i + 0.5) * step < side.stop]
    return kept or [min(length - 1, int((side.start + side.stop) / 2 / step))]


def _voxels_under(positions: list[int], length: int, tile: int) -> list[int]:
    """The voxel of the tile under the centre of each coarse position."""
    return [min(tile - 1, int((i + 0.5) * tile / length)) for i in positions]


def _grid(axes: list[list[int]]) -> tuple[slice, ...] | tuple[Tensor, ...]:
    """An index of the product of positions along each axis; slices where they are whole runs, which is quick."""
    if all(axis == list(range(axis[0], axis[-1] + 1)) for axis in axes):
        return tuple(slice(axis[0], axis[-1] + 1) for axis in axes)
    z, y, x = (torch.tensor(axis) for axis in axes)
    return z[:, None, None], y[None, :, None], x[None, None, :]
