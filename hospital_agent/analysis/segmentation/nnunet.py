"""A trained nnU-Net v2, as it is: nnU-Net's own preprocessing, sliding window, blending and export; we only listen.

The features are those of `network.encoder.stages[-1]` and the feature map before the last segmentation layer, heard
through forward hooks; architecture, weights and prediction stay untouched. Test-time mirroring is off unless asked
for, so the mask is nnU-Net's with `--disable_tta`; features are always those of the unmirrored pass.
"""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import MissingLayer, NotApplicable, TileMismatch
from hospital_agent.analysis.imaging.resample import resample_to_shape, spacing_of
from hospital_agent.analysis.imaging.volume import FloatArray, Shape, Volume
from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
from hospital_agent.analysis.segmentation.axes import AxisMap
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST, Distortion, Segmentation, segmenters
from hospital_agent.analysis.segmentation.distortion import distortion_of, squared_difference
from hospital_agent.analysis.segmentation.layers import named_layer
from hospital_agent.analysis.segmentation.network import (
    dropout_on,
    intensity_shares,
    towards_confidence,
)
from hospital_agent.analysis.segmentation.nnunet_distortion import SecondAnswer, SecondBlend
from hospital_agent.analysis.segmentation.nnunet_tiles import Ear, Heard


@dataclass(frozen=True)
class NnunetOptions:
    """What a site decides about an nnU-Net.

    Args:
        orientation: in which the files of its training were stored; nnU-Net reads arrays as they lie in the file.
        mirroring: nnU-Net's test-time mirroring: eight passes in 3-D, the mask as nnU-Net makes it by default.
        layers: name -> dotted name of a layer; `bottleneck` and `last` must be among them where they are given.
    """

    orientation: str = "LPS"
    mirroring: bool = False
    layers: Mapping[str, str] | None = None


@segmenters.register("nnunet")
class NnunetSegmenter:
    """One fold of a trained nnU-Net v2 behind the one door of all segmenters.

    Probabilities, tiles and layers lie on nnU-Net's working grid, brought back to the axes of the volume. What nnU-Net
    crops away around the patient is given back as background, to the nearest voxel of that grid; the mask is exactly
    what nnU-Net exports. For overlapping regions there is no softmax: the probability is that of any region.

    Args:
        predictor: nnU-Net's own, initialised, with one set of weights (see `nnunet_loading`).
    """

    def __init__(
        self, predictor: Any, options: NnunetOptions, *, version: str, model_hash: str, device: torch.device
    ) -> None:
        self.predictor, self.options, self.device = predictor, options, device
        self.network: nn.Module = predictor.network.eval().to(device)
        self.version, self.model_hash = version, model_hash
        self.plans, self.configuration = predictor.plans_manager, predictor.configuration_manager
        self.labels = predictor.label_manager
        self.layers = nnunet_layers(self.network, options.layers)
        self.reading = AxisMap.to_orientation(options.orientation)
        self.axes = self.reading.then(self.plans.transpose_forward)
        mirrors = len(predictor.allowed_mirroring_axes or ()) if options.mirroring else 0
        self.passes = 1 << mirrors
        patch = tuple(map(int, self.configuration.patch_size))
        self.flat = len(patch) == 2  # a 2-D network, which takes slices along the first axis
        self.tile: Shape = (1, patch[0], patch[1]) if self.flat else (patch[0], patch[1], patch[2])
        self.second: SecondAnswer | None = None

    def attach(self, autoencoder: ActivationAutoencoder | None) -> None:
        """Tell with every segmentation from now on how much this autoencoder at the bottleneck changes it.

        The mask and all else stay nnU-Net's. See `NetworkSegmenter.attach`.

        Raises:
            TileMismatch: it was made for another tile.
            NotApplicable: the labels overlap.
        """
        if autoencoder is None:
            self.second = None
            return
        self.refuse_regions()
        if autoencoder.shape.tile != self.tile:
            made_for, here = (" x ".join(map(str, tile)) for tile in (autoencoder.shape.tile, self.tile))
            raise TileMismatch(f"The autoencoder was made for tiles of {made_for} voxels, and this model cuts {here}.")
        self.second = SecondAnswer(self.network, autoencoder.eval().to(self.device), self.layers[BOTTLENECK])

    def refuse_regions(self) -> None:
        """Say why nothing can be distorted, before minutes of training.

        Raises:
            NotApplicable: the labels overlap: there is no softmax whose change could be measured.
        """
        if self.labels.has_regions:
            raise NotApplicable("Overlapping regions have no softmax, and segmentation distortion compares two.")

    def working_image(self, volume: Volume) -> FloatArray:
        """What tiles are cut from, along nnU-Net's axes: cropped, resampled and normalised by nnU-Net."""
        with quiet():
            image: FloatArray = self._preprocess(volume)[0][0]
        return image

    def segment(self, volume: Volume) -> Segmentation:
        """Segment a volume as nnU-Net does, and keep what later scores need."""
        return self._segment(volume, self.layers, self.second)

    def sample(self, volume: Volume, passes: int, seed: int) -> Iterator[Segmentation]:
        """Segment `passes` times with dropout on.

        Raises:
            NoDropout: the network has none, as nnU-Net's default plans.
        """

        def drop(_module: nn.Module, _inputs: object) -> None:
            for layer in dropping:
                layer.train()  # nnU-Net turns everything off before each volume

        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []), ExitStack() as stack:
            torch.manual_seed(seed)
            stack.enter_context(dropout_on(self.network))
            dropping = [module for module in self.network.modules() if module.training]
            stack.callback(self.network.register_forward_pre_hook(drop).remove)
            for _ in range(passes):
                yield self._segment(volume, {})

    def perturb(self, volume: Volume, temperature: float, epsilon: float) -> Segmentation:
        """Segment tiles that were moved towards higher confidence (ODIN); two forward passes and a backward one."""
        climbing = False

        def climb(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor] | None:
            nonlocal climbing
            if climbing:
                return None
            climbing = True
            try:
                with torch.inference_mode(False):
                    return (towards_confidence(self.network, inputs[0].clone(), temperature, epsilon),)
            finally:
                climbing = False

        handle = self.network.register_forward_pre_hook(climb)
        try:
            return replace(self._segment(volume, {}), passes=2 * self.passes)
        finally:
            handle.remove()

    def _segment(
        self, volume: Volume, layers: Mapping[str, nn.Module], second: SecondAnswer | None = None
    ) -> Segmentation:
        with quiet():
            data, properties = self._preprocess(volume)
            real = (data.shape[1], data.shape[2], data.shape[3])
            patch = tuple(map(int, self.configuration.patch_size))
            beside = nullcontext() if second is None else second.beside(self.predictor, real, patch)
            with beside as blend, self._heard(real, layers, blend) as ear:
                logits = self.predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
            labels = self._labels_of(logits, properties)
        found = self._segmentation(volume, labels, logits, properties, ear.heard() if layers else None)
        if second is None or blend is None:
            return found
        distortion = self._distortion(found, blend, properties)
        return replace(found, passes=self.passes * second.passes, distortion=distortion)

    def _distortion(self, found: Segmentation, blend: SecondBlend, properties: dict[str, Any]) -> Distortion | None:
        plain, spacing_mm = found.class_probabilities, found.working_spacing_mm
        if plain is None or spacing_mm is None:
            return None
        second = blend.logits()
        below, above = _cropped_away(properties, tuple(second.shape[1:]))
        distorted = self.axes.back(self._with_background(self._softmax(second, below, above), below, above))
        squares = squared_difference(plain, distorted)
        return distortion_of(squares, plain.argmax(axis=0) > 0, spacing_mm, np.stack(blend.latents))

    def _preprocess(self, volume: Volume) -> tuple[FloatArray, dict[str, Any]]:
        image = np.ascontiguousarray(self.reading.there(volume.array), dtype=np.float32)
        told: dict[str, Any] = {"spacing": list(self.reading.lengths_there(volume.spacing_mm))}
        preprocessor = self.configuration.preprocessor_class(verbose=False)
        data, _, told = preprocessor.run_case_npy(
            image[None], None, told, self.plans, self.configuration, self.predictor.dataset_json
        )
        return np.ascontiguousarray(data, dtype=np.float32), told

    @contextmanager
    def _heard(self, real: Shape, layers: Mapping[str, nn.Module], blend: SecondBlend | None) -> Iterator[Ear]:
        """Listen while nnU-Net slides over an array of the shape `real`; it says itself where its tiles lie."""
        patch = tuple(self.configuration.patch_size)
        ear = Ear(real, patch, max(map(int, self.labels.all_labels)) + 1, self._decide, self.passes)
        slide = self.predictor._internal_predict_sliding_window_return_logits

        def slide_and_tell(data: Tensor, slicers: Sequence[tuple[Any, ...]], on_device: bool = True) -> Any:
            ear.begin(data.shape[1:], slicers)
            if blend is not None:
                blend.begin(data, slicers, self.device if on_device else torch.device("cpu"))
            return slide(data, slicers, on_device)

        self.predictor._internal_predict_sliding_window_return_logits = slide_and_tell
        try:
            with ear.on(self.network, layers):
                yield ear
        finally:
            del self.predictor._internal_predict_sliding_window_return_logits

    def _decide(self, logits: Tensor) -> Tensor:
        """The label of every voxel of a tile, from its logits (C, ...)."""
        decided: Tensor = self.labels.convert_logits_to_segmentation(logits.float().cpu())
        return decided

    def _labels_of(self, logits: Tensor, properties: dict[str, Any]) -> NDArray[np.uint8]:
        """(Z, Y, X) labels on the volume's grid, by nnU-Net's own export."""
        from nnunetv2.inference.export_prediction import (
            convert_predicted_logits_to_segmentation_with_correct_shape as export,
        )

        found = export(
            logits, self.plans, self.configuration, self.labels, properties, num_threads_torch=torch.get_num_threads()
        )
        return np.ascontiguousarray(self.reading.back(found), dtype=np.uint8)

    def _segmentation(
        self,
        volume: Volume,
        labels: NDArray[np.uint8],
        logits: Tensor,
        properties: dict[str, Any],
        heard: Heard | None,
    ) -> Segmentation:
        below, above = _cropped_away(properties, tuple(logits.shape[1:]))
        seen = self._softmax(logits, below, above)
        softmax = None if self.labels.has_regions else self._with_background(seen, below, above)
        probability = seen.max(axis=0) if softmax is None else 1.0 - softmax[0]
        probability = np.ascontiguousarray(self.axes.back(probability))
        several = len(self.labels.all_labels) > 2
        image = resample_to_shape(volume.array, probability.shape)
        return Segmentation(
            mask=labels > 0,
            probability=probability,
            working_spacing_mm=spacing_of(volume.shape, volume.spacing_mm, probability.shape),
            patches=None if heard is None else heard.patches(self.axes, below, above),
            backend="nnunet",
            model_version=self.version,
            model_hash=self.model_hash,
            device=self.device.type,
            passes=self.passes,
            class_probabilities=None if softmax is None else np.ascontiguousarray(self.axes.back(softmax)),
            labels=labels if several else None,
            layers={} if heard is None else heard.layers,
            intensities=intensity_shares(image),
        )

    def _softmax(self, logits: Tensor, below: Sequence[int], above: Sequence[int]) -> FloatArray:
        """nnU-Net's probabilities, with zeros where it cropped something away."""
        around = [(0, 0), *zip(below, above, strict=True)]
        return np.pad(self.labels.apply_inference_nonlin(logits).numpy().astype(np.float32), around)

    @staticmethod
    def _with_background(softmax: FloatArray, below: Sequence[int], above: Sequence[int]) -> FloatArray:
        inside = tuple(slice(b, n - a) for b, a, n in zip(below, above, softmax.shape[1:], strict=True))
        outside = np.ones(softmax.shape[1:], dtype=np.bool_)
        outside[inside] = False
        softmax[0][outside] = 1.0
        return softmax


def nnunet_layers(network: nn.Module, names: Mapping[str, str] | None) -> dict[str, nn.Module]:
    """The encoder's stages, the last one as the bottleneck, and the feature map before the last segmentation layer."""
    if names is not None:
        found = {name: named_layer(network, dotted) for name, dotted in names.items()}
        if not {BOTTLENECK, LAST} <= set(found):
            raise MissingLayer(f"The layers of a network are named; '{BOTTLENECK}' and '{LAST}' must be among them.")
        return found
    try:
        count = len(network.get_submodule("encoder.stages"))  # type: ignore[arg-type]
        last = len(network.get_submodule("decoder.stages")) - 1  # type: ignore[arg-type]
    except AttributeError:
        raise MissingLayer(
            "The network has no encoder.stages and decoder.stages: name its layers (bottleneck, last) in the manifest."
        ) from None
    levels = {f"encoder_{i + 1}": named_layer(network, f"encoder.stages.{i}") for i in range(count - 1)}
    return {
        **levels,
        BOTTLENECK: named_layer(network, f"encoder.stages.{count - 1}"),
        LAST: named_layer(network, f"decoder.stages.{last}"),
    }


def _cropped_away(properties: dict[str, Any], shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Voxels of the working grid that nnU-Net cropped away below and above each axis, to the nearest one."""
    below, above = [], []
    for (low, high), whole, length in zip(
        properties["bbox_used_for_cropping"], properties["shape_before_cropping"], shape, strict=True
    ):
        scale = length / (high - low)
        below.append(round(low * scale))
        above.append(round((whole - high) * scale))
    return below, above


@contextmanager
def quiet() -> Iterator[None]:
    """nnU-Net prints; standard output holds results alone."""
    with redirect_stdout(sys.stderr if sys.flags.verbose else io.StringIO()):
        yield
