"""A TorchScript file whose answer is known on paper: what is brighter than a threshold is foreground."""

import io
import json
import warnings
from pathlib import Path
from typing import Any

LEAST_HU = 300.0
DESCRIPTION: dict[str, Any] = {
    "spacing_mm": [2.0, 2.0, 2.0],
    "tile": [16, 16, 16],
    "intensity": {"low": -1000.0, "high": 1000.0, "low_to": 0.0, "high_to": 1.0},
    "classes": 2,
}


def program(*, features: bool = True, seed: int = 0, least_hu: float = LEAST_HU) -> bytes:
    """The bytes of the file; with features it returns (logits, bottleneck, last)."""
    import torch
    from torch import Tensor, nn

    class Threshold(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(seed)
            self.least = (least_hu + 1000.0) / 2000.0
            self.register_buffer("deep", torch.randn((6, 1, 4, 4, 4), generator=generator))
            self.register_buffer("late", torch.randn((4, 1, 3, 3, 3), generator=generator))

        def forward(self, tile: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            bright = 40.0 * (tile - self.least)
            deep = torch.conv3d(tile, self.deep, stride=4).relu()
            late = torch.conv3d(tile, self.late, padding=1).relu()
            return torch.cat([-bright, bright], dim=1), deep, late

    class LogitsAlone(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, tile: Tensor) -> Tensor:
            return self.inner(tile)[0]  # type: ignore[no-any-return]

    network = Threshold() if features else LogitsAlone(Threshold())
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have other formats; hospitals have this one
        torch.jit.save(torch.jit.trace(network, torch.zeros((1, 1, 16, 16, 16))), out)
    return out.getvalue()


def write_torchscript(folder: Path, *, features: bool = True, seed: int = 0, **changes: Any) -> Path:
    """`model.ts` with its description beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.ts").write_bytes(program(features=features, seed=seed))
    outputs = {"outputs": ["logits", "bottleneck", "last"]} if features else {}
    (folder / "model.json").write_text(json.dumps({**DESCRIPTION, **outputs, **changes}))
    return folder / "model.ts"
