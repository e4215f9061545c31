"""A small MONAI bundle with random weights, whose network has no halves that we know."""

import json
from pathlib import Path

import pytest
import torch

CONFIG = {
    "network_def": {
        "_target_": "BasicUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "features": [4, 4, 4, 8, 8, 4],
    },
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
            {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.0, 2.0], "mode": "bilinear"},
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -200, "a_max": 300, "b_min": 0, "b_max": 1},
        ],
    },
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 32, 16], "sw_batch_size": 1, "overlap": 0.25},
}  # fmt: skip


def write_bundle(folder: Path) -> Path:
    """A MONAI bundle with random weights."""
    nets = pytest.importorskip("monai.networks.nets", reason="monai is not installed (extra `monai`)")
    torch.manual_seed(0)
    network = nets.BasicUNet(**{key: value for key, value in CONFIG["network_def"].items() if key != "_target_"})
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(CONFIG))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder
