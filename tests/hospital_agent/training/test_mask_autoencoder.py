"""A mask autoencoder trained on a few hearts: gives them back, and not what no heart has; resumes; refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import ModelMismatch, NoDropout, NoGradient, NotApplicable, TooFewCases
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice, PseudoHausdorff
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.mask_autoencoder import (
    MaskAutoencoder,
    MaskAutoencoderShape,
    MaskNetwork,
    ReconstructingSegmenter,
    one_hot,
)
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.training.mask_autoencoder import (
    MaskTraining,
    ReferenceMask,
    augmented,
    grid_for,
    reconstruction_loss,
    train_mask_autoencoder,
)
from tests.anatomy import SPACING, heart, hearts
from tests.patches import segmentation_of

SHAPE = MaskAutoencoderShape(3, MaskGrid(SPACING, (1, 32, 32)), channels=(8, 16, 16), latent=8, dropout=0.0)
QUICK = MaskTraining(steps=200, batch=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> MaskAutoencoder:
    torch.set_num_threads(1)
    return train_mask_autoencoder(hearts(24), 3, tmp_path_factory.mktemp("run"), QUICK, SHAPE)


def shown(labels: np.ndarray) -> Segmentation:
    return replace(segmentation_of(None), mask=labels > 0, labels=labels)


def test_it_gives_back_an_unseen_heart_and_not_an_island(trained: MaskAutoencoder) -> None:
    pdc, phd = PseudoDice(3), PseudoHausdorff(3)
    for seed in range(100, 106):
        plain = heart(seed)
        island = plain.copy()
        island[1:3, 4:8, 4:8] = 1
        good, bad = (trained.attached(shown(labels), SPACING) for labels in (plain, island))
        gaps, far = [pdc.compute(one) for one in (good, bad)], [phd.compute(one) for one in (good, bad)]
        assert gaps[0] is not None
        assert gaps[1] is not None
        assert gaps[0] < 0.2
        assert gaps[1] > gaps[0]
        assert far[1] > far[0]  # type: ignore[operator]
        assert bad.reconstructed is not None
        assert bad.reconstructed.labels is not None
        assert not bad.reconstructed.labels[1:3, 4:8, 4:8].any()


def test_other_spacings_and_sizes_are_the_same_heart(trained: MaskAutoencoder) -> None:
    fine = heart(101).repeat(2, axis=1).repeat(2, axis=2)
    found = trained.attached(shown(fine), (8.0, 1.0, 1.0))
    coarse = trained.attached(shown(heart(101)), SPACING)
    assert PseudoDice(3).compute(found) == pytest.approx(PseudoDice(3).compute(coarse), abs=0.03)


def test_nothing_comes_back_of_nothing(trained: MaskAutoencoder) -> None:
    empty = np.zeros((3, 20, 20), dtype=np.uint8)
    assert not trained.reconstruct(empty, SPACING).any()
    assert PseudoDice(3).compute(trained.attached(shown(empty), SPACING)) is None


def test_a_foreign_label_is_refused_and_said(trained: MaskAutoencoder) -> None:
    labels = heart(0)
    labels[0, 0, 0] = 7
    with pytest.raises(NotApplicable, match="label 7"):
        trained.reconstruct(labels, SPACING)
    found = trained.attached(shown(labels), SPACING)
    assert found.reconstructed is None
    assert any("label 7" in sentence for sentence in found.warnings)


def test_it_survives_its_parts(trained: MaskAutoencoder) -> None:
    described = json.loads(json.dumps(trained.description()))
    again = MaskAutoencoder.from_parts(described, trained.weights())
    assert np.array_equal(again.reconstruct(heart(102), SPACING), trained.reconstruct(heart(102), SPACING))
    with pytest.raises(ModelMismatch):
        MaskAutoencoder.from_parts({**described, "latent": 5}, trained.weights())
    with pytest.raises(ModelMismatch):
        MaskAutoencoder.from_parts({"label_count": 3}, trained.weights())
    with pytest.raises(ModelMismatch):
        MaskAutoencoder.from_parts(described, {})


def test_any_segmenter_can_be_given_one(trained: MaskAutoencoder) -> None:
    class Fixed:
        def segment(self, volume: Volume) -> Segmentation:
            return shown(heart(103))

    volume = Volume(np.zeros((4, 40, 40), dtype=np.float32), SPACING, modality="MR")
    segmenter = ReconstructingSegmenter(Fixed(), trained)
    assert segmenter.segment(volume).reconstructed is not None
    with pytest.raises(NoDropout):
        segmenter.sample(volume, 2, 0)
    with pytest.raises(NoGradient):
        segmenter.perturb(volume, 1.0, 0.1)
    with pytest.raises(NotApplicable):
        segmenter.segment_members(volume)


def test_the_same_seed_trains_the_same_and_a_finished_run_is_taken_up(tmp_path: Path) -> None:
    plan = MaskTraining(steps=6, batch=4)
    one = train_mask_autoencoder(hearts(5), 3, tmp_path / "a", plan, SHAPE)
    two = train_mask_autoencoder(hearts(5), 3, tmp_path / "b", plan, SHAPE)
    again = train_mask_autoencoder(hearts(5), 3, tmp_path / "a", plan, SHAPE)
    for name, weights in one.weights().items():
        assert np.array_equal(weights, two.weights()[name])
        assert np.array_equal(weights, again.weights()[name])


def test_bad_references_are_refused(tmp_path: Path) -> None:
    empty = ReferenceMask(np.zeros((2, 8, 8), np.uint8), SPACING, "p9")
    with pytest.raises(TooFewCases, match="two patients"):
        train_mask_autoencoder([*hearts(1), empty], 3, tmp_path)
    with pytest.raises(NotApplicable, match="label 3"):
        train_mask_autoencoder(hearts(3), 2, tmp_path)


def test_thick_slices_are_taken_one_by_one_and_the_grid_holds_the_largest() -> None:
    flat = grid_for(hearts(6))
    assert flat.flat
    assert all(n % 16 == 0 for n in flat.shape[1:])
    extent = max(np.ptp(np.argwhere(mask.labels > 0), axis=0).max() * 2.0 for mask in hearts(6))
    assert flat.shape[1] * flat.spacing_mm[1] > extent
    solid = grid_for([replace(mask, spacing_mm=(2.0, 2.0, 2.0)) for mask in hearts(6)])
    assert not solid.flat
    assert len(set(solid.spacing_mm)) == 1


@pytest.mark.parametrize("grid", [MaskGrid((1.0, 1.0, 1.0), (12, 16, 10)), MaskGrid((9.0, 1.0, 2.0), (1, 24, 16))])
def test_a_network_of_any_grid_gives_back_its_size(grid: MaskGrid) -> None:
    network = MaskNetwork(MaskAutoencoderShape(2, grid, channels=(4, 4), latent=3)).eval()
    assert network(torch.zeros(2, 3, *grid.shape)).shape == (2, 3, *grid.shape)


@pytest.mark.parametrize("grid", [SHAPE.grid, MaskGrid((2.0, 2.0, 2.0), (8, 32, 32))])
def test_augmentation_moves_a_mask_a_little_and_keeps_it_a_mask(grid: MaskGrid) -> None:
    labels = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    labels[..., 8:24, 10:20] = 1
    shape, plan = replace(SHAPE, grid=grid, label_count=1), MaskTraining(batch=6)
    stream = augmented(labels, shape, plan, np.random.default_rng(0))
    masks = next(stream)
    assert torch.equal(masks.sum(dim=1), torch.ones(6, *grid.shape))
    same = one_hot(labels, 1)
    overlap = 2 * (masks[:, 1] * same[:, 1]).sum(dim=(1, 2, 3)) / (masks[:, 1] + same[:, 1]).sum(dim=(1, 2, 3))
    assert overlap.min() > 0.5
    assert overlap.max() < 1
    assert torch.equal(next(augmented(labels, shape, plan, np.random.default_rng(0))), masks)
    still = replace(plan, shift=0.0, turn_degrees=0.0, scale=0.0)
    assert torch.equal(next(augmented(labels, shape, still, np.random.default_rng(0))), same.expand_as(masks))


def test_the_loss_is_the_one_of_the_paper() -> None:
    """By hand: a network that says 1/2 everywhere, one label in half of the voxels of a batch of one."""

    class Undecided(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.zero = torch.nn.Parameter(torch.zeros(()))

        def forward(self, masks: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(masks) + self.zero

    labels = torch.zeros(1, 1, 10, 20, dtype=torch.uint8)
    labels[..., :10] = 1
    loss = reconstruction_loss(Undecided(), one_hot(labels, 1))
    assert loss.item() == pytest.approx(0.25 + 1 - (2 * 50 + 1) / (200 + 1), rel=1e-6)
