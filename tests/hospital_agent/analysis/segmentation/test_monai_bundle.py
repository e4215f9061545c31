"""A MONAI bundle: what the network sees and says is what MONAI's own transforms and inference give it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import ModelMismatch, NotApplicable, RunsCode
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import BOTTLENECK, LAST
from hospital_agent.analysis.segmentation.torchscript import NO_FEATURES
from tests.torchscript_model import program

pytest.importorskip("monai", reason="monai is not installed (extra `monai`)")
pytestmark = [
    pytest.mark.timeout(600),  # the first import of MONAI takes long on a busy machine
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
ROI = [32, 32, 16]
NETWORK = {
    "_target_": "BasicUNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3, "features": [4, 4, 6, 8, 8, 4],
    "upsample": "nontrainable",
}  # fmt: skip
SCALE = {
    "_target_": "ScaleIntensityRanged",
    "keys": "image",
    "a_min": -57,
    "a_max": 164,
    "b_min": 0.0,
    "b_max": 1.0,
    "clip": True,
}
SPACING = {"_target_": "Spacingd", "keys": "image", "pixdim": [1.5, 1.5, 2.0], "mode": "bilinear"}
ORIENTATION = {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"}


def config(*extra: dict[str, Any], replaced: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    transforms = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "monai.transforms.EnsureChannelFirstd", "keys": "image"},
        ORIENTATION,
        SPACING,
        SCALE,
        *extra,
        {"_target_": "EnsureTyped", "keys": "image"},
    ]
    kept = [(replaced or {}).get(step["_target_"], step) for step in transforms]
    return {
        "imports": ["$import glob"],
        "roi": ROI,
        "network_def": NETWORK,
        "preprocessing": {"_target_": "Compose", "transforms": [step for step in kept if step is not None]},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": "@roi", "overlap": "$1 / 4"},
        **changes,
    }


def network() -> Any:
    from monai.networks.nets import BasicUNet

    torch.manual_seed(0)
    return BasicUNet(**{key: value for key, value in NETWORK.items() if key != "_target_"}).eval()


@pytest.fixture(scope="module")
def weights() -> bytes:
    out = io.BytesIO()
    torch.save(network().state_dict(), out)
    return out.getvalue()


def load(weights: bytes, told: dict[str, Any] | None = None, trusted: bool = True, **changes: Any) -> Any:
    from hospital_agent.analysis.segmentation.monai_bundle import load_bundle

    given = {"scripted": False} | changes
    return load_bundle(told or config(), weights, trusted=trusted, version="1", model_hash="h", device="cpu", **given)


def image(shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 80, shape).astype(np.float32)


def test_one_tile_is_what_monai_makes_of_it(weights: bytes) -> None:
    """A volume of exactly one tile on the bundle's own grid: MONAI's transforms, then the network."""
    from monai.data import MetaTensor
    from monai.transforms import Compose, Orientationd, ScaleIntensityRanged, Spacingd

    values = image((16, 32, 32))
    found = load(weights).segment(Volume(values, (2.0, 1.5, 1.5)))
    lps = np.diag([-1.5, -1.5, 2.0, 1.0])  # MONAI counts in RAS
    given = {
        "image": MetaTensor(torch.from_numpy(values.transpose(2, 1, 0).copy())[None], affine=torch.from_numpy(lps))
    }
    prepare = Compose([
        Orientationd("image", axcodes="RAS"),
        Spacingd("image", pixdim=[1.5, 1.5, 2.0]),
        ScaleIntensityRanged("image", a_min=-57, a_max=164, b_min=0.0, b_max=1.0, clip=True),
    ])  # fmt: skip
    seen = torch.as_tensor(np.asarray(prepare(given)["image"]))
    with torch.no_grad():
        softmax = torch.softmax(network()(seen[None].float()), dim=1)[0].numpy()
    upright = softmax[:, ::-1, ::-1].transpose(0, 3, 2, 1)
    np.testing.assert_allclose(found.class_probabilities, upright, atol=1e-4)
    np.testing.assert_array_equal(found.labels, upright.argmax(axis=0))


def test_a_larger_volume_is_close_to_monais_own_inference(weights: bytes) -> None:
    from monai.inferers import sliding_window_inference

    segmenter = load(weights)
    values = image((24, 48, 40))
    found = segmenter.segment(Volume(values, (2.0, 1.5, 1.5)))
    ready = np.clip((segmenter.axes.there(values) + 57) / 221, 0, 1)
    with torch.no_grad():
        blended = sliding_window_inference(
            torch.from_numpy(np.ascontiguousarray(ready, dtype=np.float32))[None, None],
            ROI, 1, lambda tile: torch.softmax(network()(tile), dim=1), overlap=0.25, mode="gaussian",
        )  # fmt: skip
    theirs = segmenter.axes.back(blended[0].numpy())
    assert np.abs(found.class_probabilities - theirs).mean() < 0.02  # tiles start elsewhere, so borders differ
    assert segmenter.inner.grid.overlap == 0.25


def test_the_layers_are_found_and_can_be_named(weights: bytes) -> None:
    volume = Volume(image((16, 32, 32)), (2.0, 1.5, 1.5))
    found = load(weights).segment(volume)
    assert found.layers[BOTTLENECK].mean.shape == (8,)
    assert found.layers[LAST].mean.shape == (4,)
    assert found.patches.tile_shape == (16, 32, 32)
    named = load(weights, layers={BOTTLENECK: "down_3"}).segment(volume)
    assert set(named.layers) == {BOTTLENECK}
    assert named.layers[BOTTLENECK].position_count == 4 * 4 * 2


def test_a_scripted_bundle_segments_without_features() -> None:
    roi = config(roi=[16, 16, 16])
    found = load(program(features=False), roi, scripted=True).segment(Volume(image((16, 20, 20)), (2.0, 1.5, 1.5)))
    assert found.patches is None
    assert found.warnings == (NO_FEATURES,)
    assert found.backend == "monai"


def test_mean_and_deviation_are_the_images_own() -> None:
    from monai.bundle.config_parser import ConfigParser
    from monai.transforms import NormalizeIntensity

    from hospital_agent.analysis.segmentation.monai_bundle import bundle_grid

    step = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True}
    grid, code = bundle_grid(ConfigParser(config(replaced={"ScaleIntensityRanged": step})))
    values = image((4, 5, 6))
    values[0] = 0.0
    np.testing.assert_allclose(grid.normalise(values), NormalizeIntensity(nonzero=True)(values), atol=1e-5)
    assert code == "RAS"
    assert grid.spacing_mm == (1.5, 1.5, 2.0)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (config({"_target_": "CropForegroundd", "keys": "image"}), "CropForegroundd"),
        (config({"_target_": "monai.transforms.ScaleIntensityd", "keys": "image"}), "ScaleIntensityd"),
        (config(SCALE), "a second time"),
        (config({"_target_": "NormalizeIntensityd", "keys": "image"}), "twice"),
        (config(replaced={"Spacingd": None}), "Spacingd"),
        (config(replaced={"Orientationd": None}), "Orientationd"),
        (config(inferer={"_target_": "SimpleInferer"}), "SlidingWindowInferer"),
        (config(inferer={"_target_": "SlidingWindowInferer", "roi_size": [16, 16]}), "roi_size"),
        (config(network_def={**NETWORK, "in_channels": 2}), "one image"),
        (
            config(
                postprocessing={
                    "_target_": "Compose",
                    "transforms": [{"_target_": "Activationsd", "keys": "pred", "sigmoid": True}],
                }
            ),
            "overlap",
        ),
    ],
)
def test_what_is_not_followed_is_named(weights: bytes, told: dict[str, Any], word: str) -> None:
    if word == "one image":
        out = io.BytesIO()
        from monai.networks.nets import BasicUNet

        torch.save(BasicUNet(**{k: v for k, v in told["network_def"].items() if k != "_target_"}).state_dict(), out)
        weights = out.getvalue()
    with pytest.raises(NotApplicable, match=word):
        load(weights, told)


def test_a_transform_that_is_switched_off_does_not_count(weights: bytes) -> None:
    volume = Volume(image((16, 32, 32)), (2.0, 1.5, 1.5))
    switched_off = load(weights, config({"_target_": "CropForegroundd", "keys": "image", "_disabled_": True}))
    np.testing.assert_array_equal(switched_off.segment(volume).labels, load(weights).segment(volume).labels)


def test_parts_that_do_not_belong_together_are_refused(weights: bytes) -> None:
    with pytest.raises(ModelMismatch):
        load(weights, config(network_def={**NETWORK, "features": [4, 4, 6, 8, 16, 4]}))
    with pytest.raises(ModelMismatch):
        load(b"no weights")
    told = config()
    del told["preprocessing"]
    with pytest.raises(ModelMismatch, match="preprocessing"):
        load(weights, told)


def test_a_configuration_runs_only_if_trusted(weights: bytes, tmp_path: Path) -> None:
    told = config(
        network_def={"_target_": "pathlib.Path.touch", "self": f"$__import__('pathlib').Path('{tmp_path}/ran')"}
    )
    with pytest.raises(RunsCode):
        load(weights, told, trusted=False)
    assert not (tmp_path / "ran").exists()
