"""What a segmenter gives back, and what one is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Triple, Volume
from shared.registry import Registry


@dataclass(frozen=True, eq=False)
class PatchFeatures:
    """Features of the tiles of one volume, taken from one encoder layer during the sliding window.

    Args:
        features: (P, D), one pooled and flattened row per tile.
        starts: (P, 3), first voxel of each tile on the working grid, in (Z, Y, X).
        tile_shape: (Z, Y, X) of a tile.
        importance: tile_shape, the weight with which the segmentation blends a tile; > 0.
        layer: name of the hooked layer.
    """

    features: FloatArray
    starts: NDArray[np.int64]
    tile_shape: Shape
    importance: FloatArray
    layer: str


@dataclass(frozen=True, eq=False)
class LayerSummary:
    """What is kept of one layer's feature map after the pass: sums over its positions, never the map itself.

    Positions that lie on padding are left out; positions that several tiles cover count once a tile.

    Args:
        mean: (C,) float64, mean of each channel.
        gram: (C, C) float64, sum over positions of the outer product of the channels with themselves.
        position_count: how many positions were summed, > 0.
        class_means: (K, C) float64, mean of each channel where class k was predicted; NaN where it was nowhere.
        class_counts: (K,) positions of each predicted class.
    """

    mean: NDArray[np.float64]
    gram: NDArray[np.float64]
    position_count: int
    class_means: NDArray[np.float64]
    class_counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Distortion:
    """How a network's answer changes when an autoencoder reconstructs its bottleneck; see `distortion`.

    Args:
        by_class: (C,) float64, mean over real voxels of the squared difference of each class's softmax, in [0, 1].
        by_class_foreground: the same inside the dilated predicted foreground; None where nothing is predicted.
        latents: (P, L), the autoencoder's latent vector of each tile, in the order of the tiles.
        squares: (C, Z, Y, X) float32, the squared differences on the working grid, for display; None once dropped.
    """

    by_class: NDArray[np.float64]
    by_class_foreground: NDArray[np.float64] | None
    latents: FloatArray
    squares: FloatArray | None = None


ABSENT = -1.0  # stands in for a label that neither of two masks holds


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """How a mask differs from what a mask autoencoder makes of it; see `reconstruction`.

    Args:
        dice_gap: (L,) float64, 1 - Dice of each label 1..L between mask and reconstruction, in [0, 1]; `ABSENT` where
            neither holds the label.
        hausdorff_mm: (L,) float64, Hausdorff distance of each label, at most `FARTHEST_MM`, which also stands where
            exactly one of the two holds the label; `ABSENT` where neither does.
        labels: (Z, Y, X) uint8, the reconstruction on the grid of the source volume; None once dropped.
    """

    dice_gap: NDArray[np.float64]
    hausdorff_mm: NDArray[np.float64]
    labels: NDArray[np.uint8] | None = None


BOTTLENECK, LAST = "bottleneck", "last"  # the layers that every network of ours names: deepest, and before the output


@dataclass(frozen=True, eq=False)
class Segmentation:
    """One forward pass over a volume, and everything that later scores need from it.

    Args:
        mask: (Z, Y, X) bool, on the grid of the source volume.
        probability: (Z, Y, X) float32, foreground probability on the *working* grid of the network, real voxels only
            (padding removed); None where the mask was supplied by another product.
        working_spacing_mm: spacing of that grid, (Z, Y, X).
        patches: features of the tiles, or None.
        backend, model_version, model_hash, device: what made it.
        passes: forward passes over the volume that it took.
        warnings: sentences for a person.
        class_probabilities: (C, Z, Y, X) float32 softmax on the working grid, background first, real voxels only;
            None where only the foreground's probability is known.
        labels: (Z, Y, X) uint8 predicted class on the grid of the source volume, 0 is background; None for a task
            with one label.
        layers: name -> summary of that layer, from the input towards the output; `bottleneck` and `last` by name.
        intensities: (500,) share of the working image's voxels in equal bins between its 0.5 and 99.5 percentile.
        distortion: what an autoencoder at the bottleneck changes, or None without one.
        reconstructed: how the mask differs from what a mask autoencoder makes of it, or None without one.
    """

    mask: BoolArray
    probability: FloatArray | None
    working_spacing_mm: Triple | None
    patches: PatchFeatures | None
    backend: str
    model_version: str
    model_hash: str
    device: str
    passes: int
    warnings: tuple[str, ...] = ()
    class_probabilities: FloatArray | None = None
    labels: NDArray[np.uint8] | None = None
    layers: Mapping[str, LayerSummary] = field(default_factory=dict)
    intensities: NDArray[np.float64] | None = None
    distortion: Distortion | None = None
    reconstructed: Reconstruction | None = None

    def __post_init__(self) -> None:
        if self.mask.dtype != np.bool_ or self.mask.ndim != 3:
            raise GeometryMismatch("A mask is a boolean array with three axes.")
        if self.labels is not None and self.labels.shape != self.mask.shape:
            raise GeometryMismatch("The labels of a segmentation lie on another grid than its mask.")

    @property
    def label_map(self) -> NDArray[np.uint8]:
        """(Z, Y, X) labels on the source grid; of a task with one label, the mask as 0 and 1."""
        return self.mask.astype(np.uint8) if self.labels is None else self.labels


@runtime_checkable
class Segmenter(Protocol):
    """Anything that turns a volume into a `Segmentation` in one call."""

    def segment(self, volume: Volume) -> Segmentation:
        """Segment the volume; the mask comes back on the volume's own grid."""
        ...


@runtime_checkable
class DropoutSegmenter(Segmenter, Protocol):
    """A segmenter that can leave its dropout on and answer several times differently."""

    def sample(self, volume: Volume, passes: int, seed: int) -> Iterator[Segmentation]:
        """Segment `passes` times with dropout on, one answer at a time; without layers and patches.

        Raises:
            NoDropout: the network has no dropout, and all passes would be the same.
        """
        ...


@runtime_checkable
class GradientSegmenter(Segmenter, Protocol):
    """A segmenter that lets its input be moved along the gradient of its own confidence."""

    def perturb(self, volume: Volume, temperature: float, epsilon: float) -> Segmentation:
        """Segment the image after every voxel was moved by `epsilon` towards higher confidence (ODIN).

        Args:
            temperature: of the softmax whose logarithm is climbed; the probabilities that come back are at 1.
            epsilon: length of the step, in the units of the network's normalised input, >= 0.

        Raises:
            NoGradient: the network gives no gradient.
        """
        ...


@runtime_checkable
class EnsembleSegmenter(Segmenter, Protocol):
    """Several networks for one task."""

    def segment_members(self, volume: Volume) -> Iterator[Segmentation]:
        """The answer of each member, one at a time."""
        ...


segmenters: Registry[type[Segmenter]] = Registry("segmenter")
