"""Networks from elsewhere behind `NetworkSegmenter`: their grid, their intensities, their axes, their layers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.volume import FloatArray, Shape, Volume
from hospital_agent.analysis.segmentation.axes import AxisMap
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST, Segmentation
from hospital_agent.analysis.segmentation.layers import named_layer
from hospital_agent.analysis.segmentation.network import NetworkSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.sliding_window import OVERLAP, Listening


@dataclass(frozen=True)
class Intensity:
    """From the values of a volume to those of a network.

    Args:
        low, high, low_to, high_to: a straight line through (low, low_to) and (high, high_to); None where the values
            are standardised instead.
        clip: whether the line ends there.
        mean, sd: subtracted and divided by; the volume's own where None.
        nonzero: the volume's own mean and SD are those of its voxels that are not 0, and 0 stays 0.
    """

    low: float | None = None
    high: float | None = None
    low_to: float = 0.0
    high_to: float = 1.0
    clip: bool = True
    mean: float | None = None
    sd: float | None = None
    nonzero: bool = False

    def __post_init__(self) -> None:
        if self.low is not None and (self.high is None or self.high <= self.low):
            raise NotApplicable("A range of intensities needs a lower and a higher end.")
        if self.sd is not None and self.sd <= 0:
            raise NotApplicable("A standard deviation is larger than 0.")

    def apply(self, image: FloatArray) -> FloatArray:
        """(Z, Y, X) float32 as the network knows it."""
        if self.low is not None and self.high is not None:
            scaled = (image - self.low) / (self.high - self.low) * (self.high_to - self.low_to) + self.low_to
            lower, upper = sorted((self.low_to, self.high_to))
            return np.asarray(np.clip(scaled, lower, upper) if self.clip else scaled, dtype=np.float32)
        inside = image != 0 if self.nonzero else np.ones(image.shape, dtype=np.bool_)
        values = image[inside].astype(np.float64)
        mean = (float(values.mean()) if values.size else 0.0) if self.mean is None else self.mean
        sd = (float(values.std()) if values.size else 0.0) if self.sd is None else self.sd
        return np.where(inside, (image - mean) / (sd or 1.0), image).astype(np.float32)


@dataclass(frozen=True)
class ForeignGrid(WorkingGrid):
    """A working grid with the intensities of a network from elsewhere; the whole image is looked at."""

    intensity: Intensity = Intensity()
    tile_overlap: float = OVERLAP

    @classmethod
    def of(cls, spacing_mm: Any, tile: Any, intensity: Intensity, overlap: float = OVERLAP) -> Self:
        """From three numbers each, along the network's axes.

        Raises:
            NotApplicable: not three numbers above 0 each, or an overlap that is none.
        """
        spacing, lengths = [float(step) for step in spacing_mm], [int(n) for n in tile]
        if len(spacing) != 3 or len(lengths) != 3 or min(spacing) <= 0 or min(lengths) <= 0:
            raise NotApplicable("A grid has three spacings and a tile three lengths, all above 0.")
        if not 0 <= overlap < 1:
            raise NotApplicable("Tiles overlap by a fraction from 0 to below 1.")
        shape: Shape = (lengths[0], lengths[1], lengths[2])
        steps = (spacing[0], spacing[1], spacing[2])
        return cls(steps, shape, scheme="standardised", intensity=intensity, tile_overlap=float(overlap))

    @property
    def overlap(self) -> float:
        """Least share of a tile that its neighbour covers too."""
        return self.tile_overlap

    def normalise(self, image: FloatArray) -> FloatArray:
        """Intensities as the network knows them."""
        return self.intensity.apply(image)

    def padding(self, normalised: FloatArray) -> float:  # noqa: ARG002 - the base looks at the image
        """What lies around an image that is smaller than a tile: 0, as MONAI's sliding window has it."""
        return 0.0


class OrientedSegmenter:
    """A segmenter whose network was trained in another orientation: volumes are turned for it, answers turned back.

    Args:
        inner: the segmenter, which takes volumes along its own axes.
        axes: from the axes of a volume to its own.
    """

    def __init__(self, inner: NetworkSegmenter, axes: AxisMap, warnings: tuple[str, ...] = ()) -> None:
        self.inner, self.axes, self.warnings = inner, axes, warnings

    def segment(self, volume: Volume) -> Segmentation:
        """Segment a volume; one forward pass."""
        return self._back(self.inner.segment(self._there(volume)))

    def sample(self, volume: Volume, passes: int, seed: int) -> Iterator[Segmentation]:
        """Segment `passes` times with dropout on; see `NetworkSegmenter.sample`."""
        return map(self._back, self.inner.sample(self._there(volume), passes, seed))

    def perturb(self, volume: Volume, temperature: float, epsilon: float) -> Segmentation:
        """Segment after a step towards confidence; see `NetworkSegmenter.perturb`."""
        return self._back(self.inner.perturb(self._there(volume), temperature, epsilon))

    def working_image(self, volume: Volume) -> FloatArray:
        """What tiles are cut from, along the network's axes; see `NetworkSegmenter.working_image`."""
        return self.inner.working_image(self._there(volume))

    def _there(self, volume: Volume) -> Volume:
        array = np.ascontiguousarray(self.axes.there(volume.array))
        return replace(volume, array=array, spacing_mm=self.axes.lengths_there(volume.spacing_mm))

    def _back(self, found: Segmentation) -> Segmentation:
        def back(array: Any) -> Any:
            return None if array is None else np.ascontiguousarray(self.axes.back(array))

        spacing, patches, distortion = found.working_spacing_mm, found.patches, found.distortion
        if distortion is not None:
            distortion = replace(distortion, squares=back(distortion.squares))
        if patches is not None and found.probability is not None:
            shape = found.probability.shape
            starts = self.axes.starts_back(patches.starts, patches.tile_shape, (shape[0], shape[1], shape[2]))
            importance = back(patches.importance)
            patches = replace(patches, starts=starts, importance=importance, tile_shape=importance.shape)
        return replace(
            found,
            mask=back(found.mask),
            labels=back(found.labels),
            probability=back(found.probability),
            class_probabilities=back(found.class_probabilities),
            patches=patches,
            distortion=distortion,
            working_spacing_mm=None if spacing is None else self.axes.lengths_back(spacing),
            warnings=(*found.warnings, *self.warnings),
        )


def hear_all(network: nn.Module, names: Mapping[str, str] | None, tile: Shape) -> Listening:
    """The layers to listen to: those named, or those that a look at one empty tile finds.

    The bottleneck is the last layer to be computed of those on the coarsest grid with the most channels (a decoder may
    narrow them before it leaves that grid); `last` is what enters the last convolution. Where nothing is found, nothing
    is heard.

    Args:
        names: name -> dotted name of a layer.

    Raises:
        MissingLayer: the network has no layer of a given name.
    """
    if names is not None:
        layers = {name: named_layer(network, dotted) for name, dotted in names.items()}
        return Listening(BOTTLENECK if BOTTLENECK in layers else None, layers)
    order = _order_of(network, tile)
    if not order:
        return Listening(None, {})
    coarsest = min(np.prod(output.shape[2:]) for _, _, output in order)
    deep = [step for step in order if np.prod(step[2].shape[2:]) == coarsest]
    widest = max(output.shape[1] for _, _, output in deep)
    deepest = [layer for layer, _, output in deep if output.shape[1] == widest][-1]
    layers = {BOTTLENECK: deepest}
    before = _before_last_convolution(order)
    return Listening(BOTTLENECK, layers if before is None else {**layers, LAST: before})


Step = tuple[nn.Module, Tensor | None, Tensor]


def _order_of(network: nn.Module, tile: Shape) -> list[Step]:
    """(layer, input, output) of every layer without parts, in the order in which they are computed, each once."""
    steps: list[Step] = []

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 2 + len(tile):
            steps.append((layer, inputs[0] if inputs and isinstance(inputs[0], Tensor) else None, output))

    parts = [layer for layer in network.modules() if not list(layer.children()) and layer is not network]
    if any(isinstance(part, torch.jit.ScriptModule) for part in parts):
        return []
    handles = [part.register_forward_hook(note) for part in parts]
    try:
        parameter = next(network.parameters(), torch.zeros(()))
        with torch.no_grad():
            network.eval()(torch.zeros((1, 1, *tile), device=parameter.device))
    finally:
        for handle in handles:
            handle.remove()
    several = {id(layer) for i, (layer, _, _) in enumerate(steps) if any(layer is other for other, _, _ in steps[:i])}
    return [step for step in steps if id(step[0]) not in several]


def _before_last_convolution(order: list[Step]) -> nn.Module | None:
    """The layer whose output is what the last convolution takes; None where the two are not next to each other."""
    convolutions = [step for step in order if isinstance(step[0], nn.Conv3d | nn.ConvTranspose3d)]
    if not convolutions:
        return None
    taken = convolutions[-1][1]
    return next((layer for layer, _, output in reversed(order) if output is taken), None)
