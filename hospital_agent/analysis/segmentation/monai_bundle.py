"""A MONAI bundle, as it is: its network by MONAI's own parser, its grid and intensities from its own preprocessing.

Of a bundle's preprocessing these are followed: Orientationd, Spacingd, ScaleIntensityRanged and NormalizeIntensityd;
loading and type changes say nothing about the values. Any other transform would change what the network sees, so the
bundle is refused by its name. What differs from MONAI's inference: images are resampled by area where they shrink,
intensities are set after resampling, and tiles are blended by a Gaussian of their softmax.
"""

import io
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import BackendUnavailable, ModelMismatch, NotApplicable, RunsCode
from hospital_agent.analysis.segmentation.axes import AxisMap
from hospital_agent.analysis.segmentation.base import segmenters
from hospital_agent.analysis.segmentation.foreign import ForeignGrid, Intensity, OrientedSegmenter, hear_all
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.torchscript import NO_FEATURES, read_program

NO_VALUES = {
    "LoadImage", "EnsureChannelFirst", "AddChannel", "AsChannelFirst", "EnsureType", "ToTensor", "CastToType",
    "ToDevice", "Identity",
}  # fmt: skip
FOLLOWED = ("Orientation", "Spacing", "ScaleIntensityRange", "NormalizeIntensity")


class AsLogits(nn.Module):
    """A network whose answer is logits of at least two classes: of several tensors the first, of one class two."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tile: Tensor) -> Tensor:
        """Logits of a batch of tiles; softmax of (0, x) is sigmoid of x."""
        returned = self.network(tile)
        logits: Tensor = returned if isinstance(returned, Tensor) else returned[0]
        return torch.cat([torch.zeros_like(logits), logits], dim=1) if logits.shape[1] == 1 else logits


@segmenters.register("monai")
class MonaiSegmenter(OrientedSegmenter):
    """The network of a MONAI bundle."""


def load_bundle(
    config: dict[str, Any],
    weights: bytes,
    *,
    scripted: bool,
    trusted: bool,
    version: str,
    model_hash: str,
    device: str = "auto",
    layers: Mapping[str, str] | None = None,
) -> MonaiSegmenter:
    """A segmenter from a bundle's inference configuration and its weights.

    Args:
        config: configs/inference.json or .yaml, read but not parsed.
        weights: models/model.pt (weights of `network_def`), or models/model.ts.
        scripted: whether it is the latter.
        trusted: whether the site has allowed exactly these files to run code; a configuration may call anything.
        layers: name -> dotted name of a layer below `network_def`; found by themselves when None.

    Raises:
        BackendUnavailable: MONAI is not installed.
        RunsCode: the files are not trusted.
        ModelMismatch: the parts do not belong together.
        NotApplicable: the bundle does what is not followed here; the sentence names it.
    """
    if not trusted:
        raise RunsCode("The configuration of a MONAI bundle may call anything: reading it runs code.")
    try:
        from monai.bundle.config_parser import ConfigParser
    except ImportError:
        raise BackendUnavailable("MONAI is not installed: pip install 'segwatch[monai]'.") from None
    parser = ConfigParser(config)
    grid, code = bundle_grid(parser)
    _refuse_regions(parser)
    network = AsLogits(read_program(weights) if scripted else _network(parser, weights))
    classes = _classes(network, grid)
    listening = hear_all(network, None if layers is None else _below(layers), grid.tile)
    inner = NetworkSegmenter(
        network,
        grid,
        keep=listening,
        classes=classes,
        backend="monai",
        version=version,
        model_hash=model_hash,
        device=device,
    )
    return MonaiSegmenter(
        inner, AxisMap.to_orientation(code[::-1]), () if listening.tile_layer is not None else (NO_FEATURES,)
    )


def bundle_grid(parser: Any) -> tuple[ForeignGrid, str]:
    """The grid of a bundle, and towards what the axes of its arrays grow.

    Raises:
        NotApplicable: a transform that is not followed, or one that is missing.
        ModelMismatch: the configuration lacks its preprocessing or its inferer.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, arguments in _transforms(parser):
        if name in NO_VALUES:
            continue
        if name not in FOLLOWED or name in found:
            twice = " a second time" if name in found else ""
            raise NotApplicable(
                f"The bundle prepares its images with {name}d{twice}, which is not followed; only "
                f"{', '.join(f'{one}d' for one in FOLLOWED)} are, once each."
            )
        found[name] = arguments
    if "Orientation" not in found or "Spacing" not in found:
        raise NotApplicable(
            "The bundle does not say on which grid its network works: it lacks Orientationd or Spacingd."
        )
    if {"ScaleIntensityRange", "NormalizeIntensity"} <= set(found):
        raise NotApplicable("The bundle sets its intensities twice, with ScaleIntensityRanged and NormalizeIntensityd.")
    window = _content(parser, "inferer")
    if not isinstance(window, Mapping) or _bare(window) != "SlidingWindowInferer":
        raise NotApplicable("The bundle does not slide over its images (inferer: SlidingWindowInferer).")
    tile = _three(window.get("roi_size"))
    code = str(found["Orientation"].get("axcodes", "RAS"))
    grid = ForeignGrid.of(_three(found["Spacing"].get("pixdim")), tile, _intensity(found), window.get("overlap", 0.25))
    return grid, code


def _transforms(parser: Any) -> list[tuple[str, dict[str, Any]]]:
    """(name without its ending, arguments) of every transform that is not switched off."""
    told = _content(parser, "preprocessing")
    steps = told.get("transforms") if isinstance(told, Mapping) else told
    if not isinstance(steps, Sequence) or not all(isinstance(step, Mapping) for step in steps):
        raise ModelMismatch("The bundle's preprocessing is not a list of transforms.")
    active = [step for step in steps if str(step.get("_disabled_", False)).lower() != "true"]
    return [(_bare(step).removesuffix("ict").removesuffix("D").removesuffix("d"), dict(step)) for step in active]


def _content(parser: Any, key: str) -> Any:
    """A part of the configuration with its references and expressions resolved, and nothing built."""
    if key not in parser:
        raise ModelMismatch(f"The bundle's configuration lacks '{key}'.")
    return _resolved(parser, key, parser.get(key))


def _resolved(parser: Any, key: str, told: Any) -> Any:
    if isinstance(told, Mapping):
        return {name: _resolved(parser, f"{key}::{name}", part) for name, part in told.items()}
    if isinstance(told, list | tuple):
        return [_resolved(parser, f"{key}::{i}", part) for i, part in enumerate(told)]
    if isinstance(told, str) and told.startswith("@"):
        return _content(parser, told[1:])
    if isinstance(told, str) and told.startswith("$"):
        return parser.get_parsed_content(key)
    return told


def _bare(step: Mapping[str, Any]) -> str:
    return str(step.get("_target_", "")).rpartition(".")[2]


def _three(told: Any) -> list[float]:
    numbers = [told] * 3 if isinstance(told, int | float) else told
    if not isinstance(numbers, Sequence) or len(numbers) != 3 or not all(isinstance(n, int | float) for n in numbers):
        raise NotApplicable("The bundle's grid is not given as three numbers (pixdim, roi_size).")
    return [float(number) for number in numbers]


def _intensity(found: Mapping[str, Mapping[str, Any]]) -> Intensity:
    told = found.get("ScaleIntensityRange")
    if told is not None:
        return Intensity(
            float(told["a_min"]), float(told["a_max"]), _number(told.get("b_min"), told["a_min"]),
            _number(told.get("b_max"), told["a_max"]), clip=bool(told.get("clip", False)),
        )  # fmt: skip
    told = found.get("NormalizeIntensity")
    if told is None:
        return Intensity(mean=0.0, sd=1.0)
    mean, sd = told.get("subtrahend"), told.get("divisor")
    if any(isinstance(value, list) for value in (mean, sd)):
        raise NotApplicable("The bundle standardises its images by one mean a voxel, which is not followed.")
    return Intensity(mean=mean, sd=sd, nonzero=bool(told.get("nonzero", False)))


def _number(told: Any, otherwise: Any) -> float:
    return float(otherwise if told is None else told)


def _refuse_regions(parser: Any) -> None:
    """A sigmoid of several channels says nothing that sums to 1."""
    if "postprocessing" not in parser:
        return
    told = parser.get("postprocessing")
    steps = told.get("transforms", []) if isinstance(told, Mapping) else []
    sigmoid = any(_bare(step) in ("Activationsd", "ActivationsD") and step.get("sigmoid") is True for step in steps)
    channels = parser.get("network_def", {}).get("out_channels", 1)
    if sigmoid and channels != 1:
        raise NotApplicable("The bundle's classes overlap (sigmoid of several channels), which is not followed.")


def _network(parser: Any, weights: bytes) -> nn.Module:
    try:
        network: nn.Module = parser.get_parsed_content("network_def")
        told = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
        network.load_state_dict(told.get("model", told.get("state_dict", told)))
    except (KeyError, RuntimeError, AttributeError, TypeError, EOFError, pickle.UnpicklingError) as problem:
        raise ModelMismatch("The bundle's weights do not belong to its network_def.") from problem
    return network


def _below(layers: Mapping[str, str]) -> dict[str, str]:
    return {name: f"network.{dotted}" for name, dotted in layers.items()}


def _classes(network: nn.Module, grid: ForeignGrid) -> int:
    try:
        with torch.no_grad():
            return int(network.eval()(torch.zeros((1, 1, *grid.tile))).shape[1])
    except (RuntimeError, ValueError) as problem:
        raise NotApplicable("The bundle's network does not take one image in tiles of its roi_size.") from problem
