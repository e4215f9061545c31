"""The activation autoencoder learns to leave the segmentation alone, goes on after a stop, and spoils no network."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hospital_agent.analysis.errors import ModelMismatch, TooFewCases
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import BOTTLENECK
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.distorter import distorter_for
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.sliding_window import Listening
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.autoencoder_files import load_autoencoder, save_autoencoder
from hospital_agent.training.autoencoder import AutoencoderTraining, frozen, random_tiles, train_autoencoder, train_for

TILE = (8, 16, 16)
GRID = WorkingGrid(spacing_mm=(1.0, 1.0, 1.0), tile=TILE, scheme="standardised")
PLAN = AutoencoderTraining(steps=40, batch=2, learning_rate=5e-3)


def segmenter() -> BundledSegmenter:
    torch.manual_seed(0)
    network = UNet(UNetShape(channels=(4, 6, 8), classes=3))
    return BundledSegmenter(network, GRID, version="1", model_hash="0" * 64, device="cpu")


def phantoms(count: int, first: int = 0) -> list[np.ndarray]:
    """A bright ball somewhere in what grows brighter along Z, almost without noise, which nobody could learn."""
    found = []
    z, y, x = np.meshgrid(*(np.arange(n) for n in (10, 20, 18)), indexing="ij")
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        centre = rng.uniform((3, 6, 6), (7, 14, 12))
        ball = sum((axis - c) ** 2 for axis, c in zip((z, y, x), centre, strict=True)) < 16
        found.append((3 * ball + z / 5 + rng.normal(0, 0.02, z.shape)).astype(np.float32))
    return found


def losses(folder: Path) -> list[float]:
    return [-point["score"] for point in json.loads((folder / "curve.json").read_text())["curve"]]


def test_some_dozens_of_steps_make_the_loss_on_other_phantoms_much_smaller(tmp_path: Path) -> None:
    made = segmenter()
    once = AutoencoderTraining(steps=1, batch=PLAN.batch)
    untrained = train_for(made, phantoms(6), phantoms(2, 50), tmp_path / "untrained", once)
    trained = train_for(made, phantoms(6), phantoms(2, 50), tmp_path / "trained", PLAN)
    assert losses(tmp_path / "trained")[-1] < 0.75 * losses(tmp_path / "untrained")[0]
    volume = Volume(phantoms(1, 90)[0], (1.0, 1.0, 1.0), modality="MR")
    values = []
    for autoencoder in (untrained, trained):
        made.attach(autoencoder)
        told = made.segment(volume).distortion
        assert told is not None
        values.append(float(told.by_class.mean()))
    assert values[1] < values[0]


def test_the_network_is_the_same_afterwards(tmp_path: Path) -> None:
    made = segmenter()
    before = {key: value.clone() for key, value in made.network.state_dict().items()}
    train_for(made, phantoms(1), phantoms(1), tmp_path, AutoencoderTraining(steps=2))
    assert all(torch.equal(value, before[key]) for key, value in made.network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in made.network.parameters())
    assert not any(module.training for module in made.network.modules())
    assert made.distorter is None


def test_frozen_gives_back_what_it_took() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 2)).train()
    network[0].requires_grad_(False)
    network[1].eval()
    with frozen(network):
        assert not any(parameter.requires_grad for parameter in network.parameters())
        assert not any(module.training for module in network.modules())
    assert [parameter.requires_grad for parameter in network.parameters()] == [False, False, True, True]
    assert [module.training for module in network] == [True, False, True]


def test_a_run_that_was_cut_off_goes_on_and_the_seed_decides_the_rest(tmp_path: Path) -> None:
    class CutOff(Exception):
        pass

    network, held_out = segmenter().network, [torch.zeros(1, 1, *TILE)]
    plan = AutoencoderTraining(steps=12, seed=3)

    def tiles():
        return random_tiles(phantoms(2), segmenter(), 1, np.random.default_rng(0))

    def stops_after(count: int):
        yield from itertools.islice(tiles(), count)
        raise CutOff

    with pytest.raises(CutOff):
        train_autoencoder(network, stops_after(7), held_out, tmp_path / "cut", plan)
    rest, whole = tiles(), tiles()
    for _ in range(6):
        next(rest)  # the last state was that of step 6
    resumed = train_autoencoder(network, rest, held_out, tmp_path / "cut", plan)
    through = train_autoencoder(network, whole, held_out, tmp_path / "through", plan)
    for key, value in through.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[key], value, rtol=1e-5, atol=1e-6)
    other = train_autoencoder(
        network, tiles(), held_out, tmp_path / "other", AutoencoderTraining(steps=12, seed=4)
    ).state_dict()
    assert any(not torch.equal(other[key], value) for key, value in through.state_dict().items())


class Straight(nn.Module):
    """A network without halves."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.back = nn.Conv3d(1, 4, 2, stride=2), nn.ConvTranspose3d(4, 2, 2, stride=2)

    def forward(self, tile: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.back(torch.relu(self.deep(tile)))
        return logits


def test_a_network_without_halves_is_learned_through_its_hook(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Straight()
    made = NetworkSegmenter(
        network, GRID, keep=Listening(BOTTLENECK, {BOTTLENECK: network.deep}), classes=2,
        backend="test", version="1", model_hash="none", device="cpu",
    )  # fmt: skip
    trained = train_for(made, phantoms(4), phantoms(2, 50), tmp_path, PLAN)
    assert losses(tmp_path)[-1] < losses(tmp_path)[0]
    made.attach(trained)
    found = made.segment(Volume(phantoms(1)[0], (1.0, 1.0, 1.0), modality="MR"))
    assert found.passes == 2
    assert found.distortion is not None


def test_tiles_lie_in_the_image_or_in_the_middle_of_their_padding() -> None:
    image = np.arange(4 * 20 * 16, dtype=np.float32).reshape(4, 20, 16) / 100
    (batch,) = itertools.islice(random_tiles([image], segmenter(), 64, np.random.default_rng(0)), 1)
    assert batch.shape == (64, 1, *TILE)
    assert batch[:, 0, :2].std(dim=(1, 2, 3)).max() < 0.1, "padding, and a little noise"
    assert batch[:, 0, 2:6].std(dim=(1, 2, 3)).min() > 1
    assert batch[:, 0, 6:].std(dim=(1, 2, 3)).max() < 0.1


def test_it_survives_the_disk_and_damage_is_named(tmp_path: Path) -> None:
    made = segmenter()
    trained = train_for(made, phantoms(1), phantoms(1), tmp_path / "run", AutoencoderTraining(steps=1))
    save_autoencoder(tmp_path, trained, steps=1)
    again = load_autoencoder(tmp_path)
    assert again.shape == trained.shape
    batch = torch.randn(1, 1, *TILE)
    with torch.no_grad():
        answers = [distorter_for(made.network, one)(batch).distorted for one in (trained, again)]
    assert torch.equal(*answers)
    told = (tmp_path / "autoencoder.json").read_text()
    for damaged in ("{", told.replace('"latent"', '"width"'), told.replace('"channels": 8', '"channels": 9')):
        (tmp_path / "autoencoder.json").write_text(damaged)
        with pytest.raises(ModelMismatch, match="autoencoder"):
            load_autoencoder(tmp_path)
    (tmp_path / "autoencoder.json").write_text(told)
    (tmp_path / "autoencoder.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelMismatch, match="autoencoder"):
        load_autoencoder(tmp_path)


def test_it_needs_an_image_to_learn_from_and_another_to_choose_by(tmp_path: Path) -> None:
    for parts in ((phantoms(1), []), ([], phantoms(1))):
        with pytest.raises(TooFewCases):
            train_for(segmenter(), *parts, tmp_path)
