"""A TorchScript file with a description beside it: what the file itself cannot say.

    {
      "spacing_mm": [2.0, 1.0, 1.0],          along the network's axes
      "tile": [64, 96, 96],
      "overlap": 0.5,                         optional
      "orientation": "SPL",                   towards what the network's axes grow; optional, (Z, Y, X) of a volume
      "intensity": {"low": -1000, "high": 400, "low_to": -1, "high_to": 1},   or {"mean": ..., "sd": ...} or {}
      "classes": 2,                           background included
      "outputs": ["logits", "bottleneck", "last"]      optional, where the network returns more than logits
    }

The insides of a TorchScript program cannot be listened to from Python. A network that returns its features beside its
logits, in the order of `outputs`, gives them to the scores; any other one segments, and has none.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import ModelMismatch, NotApplicable, RunsCode
from hospital_agent.analysis.segmentation.axes import AxisMap
from hospital_agent.analysis.segmentation.base import BOTTLENECK, segmenters
from hospital_agent.analysis.segmentation.foreign import ForeignGrid, Intensity, OrientedSegmenter
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.sliding_window import Listening

LOGITS = "logits"
NO_FEATURES = "The network cannot be listened to: scores of its features are undefined."
KNOWN = {"name", "version", "spacing_mm", "tile", "overlap", "orientation", "intensity", "classes", "outputs"}


class Told(nn.Module):
    """A network that returns several tensors, as one that returns logits; the others can be listened to.

    Args:
        outputs: names of what it returns, in order; one of them is "logits".
    """

    def __init__(self, network: nn.Module, outputs: Sequence[str]) -> None:
        super().__init__()
        self.network, self.outputs = network, tuple(outputs)
        self.features = nn.ModuleDict({name: nn.Identity() for name in outputs if name != LOGITS})

    def forward(self, tile: Tensor) -> Tensor:
        """Logits of a batch of tiles."""
        returned = self.network(tile)
        several = (returned,) if isinstance(returned, Tensor) else tuple(returned)
        if len(several) != len(self.outputs):
            raise ModelMismatch(f"The network returns {len(several)} tensors, and {len(self.outputs)} are described.")
        named = dict(zip(self.outputs, several, strict=True))
        for name, listened in self.features.items():
            listened(named[name])
        logits: Tensor = named[LOGITS]
        return logits


@segmenters.register("torchscript")
class TorchScriptSegmenter(OrientedSegmenter):
    """A TorchScript network on the grid and with the intensities of its description."""


def load_torchscript(
    program: bytes,
    description: Mapping[str, Any],
    *,
    trusted: bool,
    version: str,
    model_hash: str,
    device: str = "auto",
) -> TorchScriptSegmenter:
    """A segmenter from the bytes of a TorchScript file and its description.

    Raises:
        RunsCode: the bytes are not trusted; a TorchScript file is a program, and there is no safe way to read one.
        ModelMismatch: no TorchScript file, or a description that lacks something or holds what is not known.
        NotApplicable: a description that cannot be followed.
    """
    if not trusted:
        raise RunsCode("A TorchScript file is a program: loading it runs code.")
    unknown = set(description) - KNOWN
    if unknown:
        raise ModelMismatch(f"The description of the network holds what is not known: {', '.join(sorted(unknown))}.")
    outputs = [str(name) for name in description.get("outputs", [LOGITS])]
    if LOGITS not in outputs:
        raise ModelMismatch(f"The outputs of a network are named, and one of them is '{LOGITS}'.")
    try:
        grid = ForeignGrid.of(
            description["spacing_mm"],
            description["tile"],
            Intensity(**description["intensity"]),
            description.get("overlap", 0.5),
        )
        classes = int(description["classes"])
    except (KeyError, TypeError, ValueError) as problem:
        if isinstance(problem, NotApplicable):
            raise
        raise ModelMismatch("The description of the network needs spacing_mm, tile, intensity and classes.") from None
    network = Told(read_program(program), outputs)
    layers: dict[str, nn.Module] = dict(network.features.items())
    inner = NetworkSegmenter(
        network,
        grid,
        keep=Listening(BOTTLENECK if BOTTLENECK in layers else None, layers),
        classes=classes,
        backend="torchscript",
        version=version,
        model_hash=model_hash,
        device=device,
    )
    axes = AxisMap.to_orientation(str(description.get("orientation", "SPL"))[::-1])
    return TorchScriptSegmenter(inner, axes, () if layers else (NO_FEATURES,))


def read_program(program: bytes) -> nn.Module:
    """The network of a TorchScript file that is trusted.

    Raises:
        ModelMismatch: it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch wants another format; these files exist
            network: nn.Module = torch.jit.load(io.BytesIO(program), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as problem:
        raise ModelMismatch("The file is not TorchScript.") from problem
    return network
