"""Any torch network as a segmenter: resample, slide, blend, and bring the answer back to the volume's own grid."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import NoDropout, NoGradient, TileMismatch
from hospital_agent.analysis.imaging.resample import resample, resample_mask, resample_to_shape, spacing_of
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Triple, Volume
from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
from hospital_agent.analysis.segmentation.base import BOTTLENECK, Distortion, Segmentation
from hospital_agent.analysis.segmentation.body import body_box
from hospital_agent.analysis.segmentation.distorter import Distorter, distorter_for
from hospital_agent.analysis.segmentation.distortion import distortion_of, squared_difference
from hospital_agent.analysis.segmentation.sliding_window import NOTHING, OVERLAP, Listening, Pass, sliding_window

INTENSITY_BINS = 500
FARTHEST_SD = 5.0
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True)
class WorkingGrid:
    """The grid and the intensities on which a network was trained.

    Args:
        spacing_mm: (Z, Y, X).
        tile: voxels of one tile, (Z, Y, X).
        low_hu, high_hu: HU are clipped to this range and brought to [-1, 1] (scheme "hu_window").
        scheme: "hu_window" for CT; "standardised" subtracts the volume's mean and divides by its standard deviation,
            for MR, whose intensities have no unit.
    """

    spacing_mm: Triple = (3.0, 3.0, 3.0)
    tile: Shape = (80, 80, 80)
    low_hu: float = -1000.0
    high_hu: float = 400.0
    scheme: Literal["hu_window", "standardised"] = "hu_window"

    def normalise(self, image: FloatArray) -> FloatArray:
        """Intensities as the network knows them; air is -1 in CT, an MR has mean 0 and SD 1 and ends at 5 SD."""
        if self.scheme == "standardised":
            spread = float(image.std(dtype=np.float64)) or 1.0
            centred = (image - float(image.mean(dtype=np.float64))) / spread
            return np.asarray(np.clip(centred, -FARTHEST_SD, FARTHEST_SD), dtype=np.float32)
        clipped = np.clip(image, self.low_hu, self.high_hu)
        scaled = (clipped - self.low_hu) * (2.0 / (self.high_hu - self.low_hu)) - 1.0
        return np.asarray(scaled, dtype=np.float32)

    @property
    def overlap(self) -> float:
        """Least share of a tile that its neighbour covers too."""
        return OVERLAP

    def padding(self, normalised: FloatArray) -> float:
        """What lies around an image that is smaller than a tile: air, or the darkest of an MR."""
        return -1.0 if self.scheme == "hu_window" else float(normalised.min())


def choose_device(wish: str) -> torch.device:
    """ "auto" is CUDA when there is one; "cuda" without one is an error.

    CUDA computes in full float32 from then on: a reference is fitted on one machine and compared with on another, and
    the shortened float32 of convolutions (TF32, torch's default) would move scores by a thousandth.

    Raises:
        ValueError: another word, or CUDA is asked for and there is none.
    """
    if wish not in ("auto", "cpu", "cuda"):
        raise ValueError(f"A device is auto, cpu or cuda, not '{wish}'.")
    if wish == "cuda" and not torch.cuda.is_available():
        raise ValueError("There is no CUDA device on this machine; use --device auto or cpu.")
    if wish == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


class NetworkSegmenter:
    """A network of logits on a working grid; segments, samples its dropout, and follows its gradient.

    Args:
        network: (B, 1, *tile) -> (B, classes, *tile) logits; class 0 is background.
        keep: the layers that scores need.
        classes: how many the network predicts, background included; with more than two, labels come back too.
        device: auto, cpu or cuda.
    """

    def __init__(
        self,
        network: nn.Module,
        grid: WorkingGrid,
        *,
        keep: Listening,
        classes: int,
        backend: str,
        version: str,
        model_hash: str,
        device: str,
    ) -> None:
        self.device = choose_device(device)
        self.network = network.eval().to(self.device)
        self.grid, self.keep, self.classes = grid, keep, classes
        self.backend, self.version, self.model_hash = backend, version, model_hash
        self.distorter: Distorter | None = None

    def attach(self, autoencoder: ActivationAutoencoder | None) -> None:
        """Tell with every segmentation from now on how much this autoencoder at the bottleneck changes it.

        The mask and all else stay as they are. Where the network comes in two halves that costs a second run of its
        decoder, and else a second forward pass. None takes the autoencoder away.

        Raises:
            TileMismatch: it was made for another tile.
            MissingLayer: the network has neither halves nor a layer that is called its bottleneck.
        """
        if autoencoder is None:
            self.distorter = None
            return
        if autoencoder.shape.tile != self.grid.tile:
            made_for, here = (" x ".join(map(str, tile)) for tile in (autoencoder.shape.tile, self.grid.tile))
            raise TileMismatch(f"The autoencoder was made for tiles of {made_for} voxels, and this model cuts {here}.")
        self.distorter = distorter_for(
            self.network, autoencoder.eval().to(self.device), self.keep.layers.get(BOTTLENECK)
        )

    def working_image(self, volume: Volume) -> FloatArray:
        """(Z, Y, X) what tiles are cut from: on the working grid, in CT the box around the body, normalised."""
        image = resample(volume.array, volume.spacing_mm, self.grid.spacing_mm)
        inside = image[body_box(image, self.grid.spacing_mm)] if self.grid.scheme == "hu_window" else image
        return self.grid.normalise(inside.astype(np.float32))

    def segment(self, volume: Volume) -> Segmentation:
        """Segment a volume (CT in HU); one forward pass, and what `attach` says."""
        return self._segment(volume, self.keep, distorter=self.distorter)

    def sample(self, volume: Volume, passes: int, seed: int) -> Iterator[Segmentation]:
        """Segment `passes` times with dropout on; the same seed gives the same answers on one device.

        Between two answers the network and the random numbers are as they were: whoever takes the answers may draw,
        segment or sample meanwhile, and may stop early.

        Raises:
            NoDropout: the network has none.
        """
        for number in range(passes):
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
                with dropout_on(self.network):
                    answer = self._segment(volume, NOTHING)
            yield answer

    def perturb(self, volume: Volume, temperature: float, epsilon: float) -> Segmentation:
        """Segment the image after a step towards higher confidence; two forward passes and a backward one.

        Raises:
            NoGradient: the network gives no gradient with respect to its input.
        """

        def climb(batch: Tensor) -> Tensor:
            return towards_confidence(self.network, batch, temperature, epsilon)

        return replace(self._segment(volume, NOTHING, climb), passes=2)

    def _segment(
        self,
        volume: Volume,
        keep: Listening,
        prepare: Callable[[Tensor], Tensor] | None = None,
        distorter: Distorter | None = None,
    ) -> Segmentation:
        image = resample(volume.array, volume.spacing_mm, self.grid.spacing_mm)
        seen = look(self.network, self.grid, image, self.device, keep, prepare, distorter)
        probability = 1.0 - seen.probabilities[0]
        mask, labels = on_source_grid(seen.probabilities, volume.shape)
        spacing_mm = spacing_of(volume.shape, volume.spacing_mm, probability.shape)
        return Segmentation(
            mask=mask,
            probability=probability,
            working_spacing_mm=spacing_mm,
            patches=seen.patches,
            backend=self.backend,
            model_version=self.version,
            model_hash=self.model_hash,
            device=self.device.type,
            passes=1 if distorter is None else distorter.passes,
            class_probabilities=seen.probabilities,
            labels=labels,
            layers=seen.layers,
            intensities=intensity_shares(image),
            distortion=distortion_in(seen, spacing_mm),
        )


def look(
    network: nn.Module,
    grid: WorkingGrid,
    image: FloatArray,
    device: torch.device,
    keep: Listening,
    prepare: Callable[[Tensor], Tensor] | None = None,
    distorter: Distorter | None = None,
) -> Pass:
    """One pass over an image (Z, Y, X) that lies on the working grid already.

    In CT only the box around the body is looked at: outside it everything is background and no tile lies. The starts
    of the tiles count from the image's corner.
    """
    if grid.scheme != "hu_window":
        normal = grid.normalise(image.astype(np.float32))
        return sliding_window(
            network, normal, grid.tile, device, grid.padding(normal),
            keep=keep, prepare=prepare, overlap_share=grid.overlap, distorter=distorter,
        )  # fmt: skip
    box = body_box(image, grid.spacing_mm)
    normal = grid.normalise(image[box])
    inside = sliding_window(
        network, normal, grid.tile, device, grid.padding(normal), keep=keep, prepare=prepare, distorter=distorter
    )
    corner = np.asarray([part.start for part in box], dtype=np.int64)
    patches = inside.patches
    return replace(
        inside,
        probabilities=_background_around(inside.probabilities, box, image.shape),
        patches=None if patches is None else replace(patches, starts=patches.starts + corner),
        distorted=None if inside.distorted is None else _background_around(inside.distorted, box, image.shape),
    )


def _background_around(inside: FloatArray, box: tuple[slice, slice, slice], shape: tuple[int, ...]) -> FloatArray:
    """(C, *shape) probabilities that are certain of background outside a box."""
    probabilities = np.zeros((inside.shape[0], *shape), dtype=np.float32)
    probabilities[0] = 1.0
    probabilities[(slice(None), *box)] = inside
    return probabilities


def distortion_in(seen: Pass, spacing_mm: Triple) -> Distortion | None:
    """What the autoencoder changed in a pass; None without one."""
    if seen.distorted is None or seen.latents is None:
        return None
    squares = squared_difference(seen.probabilities, seen.distorted)
    return distortion_of(squares, seen.probabilities.argmax(axis=0) > 0, spacing_mm, seen.latents)


def on_source_grid(probabilities: FloatArray, shape: Shape) -> tuple[BoolArray, NDArray[np.uint8] | None]:
    """The mask on the source's grid and, for more than one label, the labels; a mask is where any label is.

    Args:
        probabilities: (C, Z, Y, X) on the working grid.
    """
    if probabilities.shape[0] == 2:
        return resample_mask(1.0 - probabilities[0], shape), None
    best = np.zeros(shape, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.uint8)
    for number, probability in enumerate(probabilities):
        here = resample_to_shape(probability, shape)
        labels[here > best] = number
        np.maximum(best, here, out=best)
    return labels > 0, labels


def intensity_shares(image: FloatArray) -> NDArray[np.float64]:
    """(500,) share of an image's voxels in equal bins from its 0.5 to its 99.5 percentile, clipped there.

    Source: Vasiliuk et al. 2023 (intensity histogram features): 500 bins after clipping and min-max scaling.
    """
    low, high = np.percentile(image, [0.5, 99.5])
    counts, _ = np.histogram(np.clip(image, low, high), INTENSITY_BINS, (low, high) if high > low else (low, low + 1))
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


@contextmanager
def dropout_on(network: nn.Module) -> Iterator[None]:
    """Dropout as in training, everything else as in use.

    Raises:
        NoDropout: there is no dropout layer that drops anything.
    """
    layers = [module for module in network.modules() if isinstance(module, DROPOUT) and module.p > 0]
    if not layers:
        raise NoDropout("The network has no dropout: several passes over it would all be the same.")
    for layer in layers:
        layer.train()
    try:
        yield
    finally:
        for layer in layers:
            layer.eval()


def towards_confidence(network: nn.Module, batch: Tensor, temperature: float, epsilon: float) -> Tensor:
    """A batch moved by `epsilon` along the sign of the gradient of the mean log of the largest softmax.

    Source: Liang, Li and Srikant 2018, eq. 2: x - epsilon sign(-grad log S(x; T)); over voxels by their mean.

    Raises:
        NoGradient: the network gives none.
    """
    with torch.enable_grad():
        moved = batch.detach().clone().requires_grad_(True)
        logits = network(moved).float()
        if not logits.requires_grad:
            raise NoGradient("The network gives no gradient with respect to its input.")
        confidence = torch.log_softmax(logits / temperature, dim=1).amax(dim=1).mean()
        (gradient,) = torch.autograd.grad(confidence, moved, allow_unused=True)
    if gradient is None:  # trainable weights alone make the logits differentiable; the input may still be cut off
        raise NoGradient("The network gives no gradient with respect to its input.")
    return batch + epsilon * gradient.sign()
