"""What a site trains of an autoencoder between two averages: plain training, where the two can be compared."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hospital_agent.analysis.errors import TileMismatch
from hospital_agent.analysis.segmentation.autoencoder import AutoencoderShape, fresh_autoencoder
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter, WorkingGrid
from hospital_agent.analysis.segmentation.mask_autoencoder import one_hot
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.federation.jobs.averaging import AveragingJob
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.training.autoencoder import AutoencoderTraining, random_tiles
from hospital_agent.training.local_autoencoders import distortion_trainer, mask_dice, mask_trainer, preserved
from hospital_agent.training.local_training import LocalPlan, LocalTrainer, SharedWeights
from hospital_agent.training.loop import LONGEST_GRADIENT
from hospital_agent.training.mask_autoencoder import MaskTraining, ReferenceMask, augmented, on_grid
from tests.autoencoded_model import BOTTLENECK, MASK_SHAPE, ball, fresh_mask_autoencoder

ONE = LocalPlan(rounds=1, steps=1, learning_rate=1e-2, weight_decay=1e-5)
SPACING = (2.0, 2.0, 2.0)
SEED = 7


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def masks(count: int, first: int = 0) -> list[ReferenceMask]:
    return [ReferenceMask(ball(seed), SPACING, f"p{seed}") for seed in range(first, first + count)]


def segmenter() -> BundledSegmenter:
    torch.manual_seed(1)
    grid = WorkingGrid(spacing_mm=(4.0, 4.0, 4.0), tile=(16, 16, 16))
    return BundledSegmenter(UNet(UNetShape(channels=(4, 6, 8))), grid, version="1", model_hash="0" * 64, device="cpu")


def images(count: int) -> list[Any]:
    return [np.random.default_rng(seed).normal(size=(18, 20, 16)).astype(np.float32) for seed in range(count)]


def of_masks() -> LocalTrainer:
    return mask_trainer(fresh_mask_autoencoder().network, masks(6), masks(2, first=20), ONE, SEED)


def of_activations() -> LocalTrainer:
    autoencoder = fresh_autoencoder(BOTTLENECK, 0)
    return distortion_trainer(segmenter(), autoencoder, images(3), images(4)[3:], ONE, SEED, patients=3)


def dice_loss(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """As the paper of the mask autoencoder has it, written once more."""
    shares = found.softmax(dim=1)
    both, either = (shares * truth)[:, 1:].sum(), (shares + truth)[:, 1:].sum()  # of the one label
    return ((shares - truth) ** 2).mean() + 1 - (2 * both + 1) / (either + 1)


def plain_masks() -> np.ndarray:
    """One step of AdamW on the same batch, without a federation."""
    network = fresh_mask_autoencoder().network.train()
    batch = next(augmented(on_grid(masks(6), MASK_SHAPE), MASK_SHAPE, MaskTraining(), np.random.default_rng([SEED, 1])))
    return stepped(network, dice_loss(network(batch), batch))


def plain_activations() -> np.ndarray:
    own, autoencoder = segmenter(), fresh_autoencoder(BOTTLENECK, 0).train()
    tiles = random_tiles(images(3), own, AutoencoderTraining.batch, np.random.default_rng([SEED, 1]))
    return stepped(autoencoder, change_of(own, autoencoder, next(tiles)))


def change_of(own: BundledSegmenter, autoencoder: nn.Module, tiles: torch.Tensor) -> torch.Tensor:
    """Huber distance of the logits plus mean squared distance of the bottleneck."""
    network: Any = own.network
    features = network.encode(tiles)
    again = autoencoder(features[-1])
    logits, others = network.decode(features), network.decode([*features[:-1], again])
    apart = (others - logits.detach()).abs()
    huber = torch.where(apart < 1, 0.5 * apart**2, apart - 0.5).mean()
    return huber + ((again - features[-1].detach()) ** 2).mean()


def stepped(network: nn.Module, loss: torch.Tensor) -> np.ndarray:
    optimiser = torch.optim.AdamW(network.parameters(), lr=ONE.learning_rate, weight_decay=ONE.weight_decay)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
    optimiser.step()
    return SharedWeights(network).read()


@pytest.mark.parametrize(
    ("trainer", "plain"), [(of_masks, plain_masks), (of_activations, plain_activations)], ids=["masks", "activations"]
)
def test_one_round_of_one_step_over_equal_sites_is_plain_training(trainer: Any, plain: Any) -> None:
    sites = [trainer() for _ in range(3)]
    start = sites[0].shared.read()
    found = rehearse(AveragingJob(start, rounds=1, longest_change=1000.0), sites).result
    expected = plain()
    assert np.linalg.norm(expected - start) > 0.1
    np.testing.assert_allclose(found.weights, expected, atol=1e-5)


def test_the_network_under_the_autoencoder_stays_as_it_is() -> None:
    own = segmenter()
    before = SharedWeights(own.network).read()
    trainer = distortion_trainer(own, fresh_autoencoder(BOTTLENECK, 0), images(2), images(1), ONE, SEED, patients=2)
    trainer.trained(trainer.shared.read(), 1)
    np.testing.assert_array_equal(SharedWeights(own.network).read(), before)


def test_preserved_is_one_over_one_plus_the_loss() -> None:
    own, autoencoder = segmenter(), fresh_autoencoder(BOTTLENECK, 0).eval()
    (value,) = preserved(own, autoencoder, images(1))
    with torch.no_grad():
        tiles = random_tiles(images(1), own, AutoencoderTraining.batch, np.random.default_rng([0, 0, 1]))
        losses = [float(change_of(own, autoencoder, next(tiles))) for _ in range(4)]
    assert value == pytest.approx(1 / (1 + np.mean(losses)), rel=1e-6)
    assert preserved(own, autoencoder, images(1)) == [value]


def test_an_autoencoder_that_gives_everything_back_preserves_everything() -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.none = nn.Parameter(torch.zeros(1))

        def answer(self, activations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return activations + self.none, activations.flatten(1)

    assert preserved(segmenter(), Same(), images(2)) == [1.0, 1.0]  # type: ignore[arg-type]


def test_the_dice_of_a_mask_is_that_with_what_comes_back() -> None:
    autoencoder, (mask, _) = fresh_mask_autoencoder(), masks(2)
    (found,) = mask_dice(autoencoder.network, [mask])
    labels = on_grid([mask], MASK_SHAPE)
    with torch.no_grad():
        again = autoencoder.network(one_hot(labels, 1)).argmax(dim=1).numpy() > 0
    truth = labels.numpy() > 0
    assert found == pytest.approx(2 * (again & truth).sum() / (again.sum() + truth.sum()))


def test_an_autoencoder_of_another_bottleneck_is_refused() -> None:
    other = fresh_autoencoder(AutoencoderShape.chosen((8, 2, 2, 2), (16, 16, 16)), 0)
    trainer = distortion_trainer(segmenter(), other, images(1), images(1), ONE, SEED, patients=1)
    with pytest.raises(TileMismatch, match="8 x 2 x 2 x 2"):
        trainer.trained(trainer.shared.read(), 1)


def test_a_variance_that_noise_took_below_zero_counts_as_zero() -> None:
    network = copy.deepcopy(fresh_mask_autoencoder().network)
    shared = SharedWeights(network)
    shared.write(np.full_like(shared.read(), -1.0))
    state = network.state_dict()
    assert all(float(value.min()) == 0 for name, value in state.items() if name.endswith("running_var"))
    assert all(float(value.max()) == -1 for name, value in state.items() if name.endswith("running_mean"))
    assert np.isfinite(mask_dice(network, masks(1))).all()
