"""Datasets as often as the square root of their size says, mixup by hand, and fine-tuning from where it should."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor, nn

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.training.fine_tuning import fine_tune
from hospital_agent.training.loop import LoopPlan, TrainingDiverged
from hospital_agent.training.mixup import mixed_loss, mixup_loss
from hospital_agent.training.segmenter import segmentation_loss
from hospital_agent.training.several_datasets import (
    Item,
    dataset_shares,
    mean_dice_over,
    multi_task_batches,
    random_tiles,
    single_task_batches,
)

PATCH = (1, 8, 8)


def item(value: float, shape: tuple[int, int, int] = (3, 12, 10)) -> Item:
    labels = np.zeros(shape, dtype=np.uint8)
    labels[1, 4:8, 3:7] = 1
    labels[2, 0, 0] = 255
    return Item(np.full(shape, value, dtype=np.float32), labels)


def test_the_papers_example_of_10_and_100_images() -> None:
    assert_allclose(dataset_shares([10, 100]), [0.24, 0.76], atol=0.005)
    assert_allclose(dataset_shares([1, 4, 9]), [1 / 6, 2 / 6, 3 / 6])


@pytest.mark.parametrize(
    ("counts", "says"), [([5], "at least two datasets"), ([], "two datasets"), ([5, 0], "one image")]
)
def test_one_dataset_or_an_empty_one_is_refused(counts: list[int], says: str) -> None:
    with pytest.raises(TooFewCases, match=says):
        dataset_shares(counts)
    with pytest.raises(TooFewCases):
        next(multi_task_batches([[item(0.0)] * n for n in counts], PATCH, 2, np.random.default_rng(0)))


def test_tiles_come_from_each_dataset_in_its_share_and_are_mixed_in_a_batch() -> None:
    # The second dataset is ten times as large and far brighter: 0.24 of the tiles are dark.
    batches = multi_task_batches([[item(0.0)] * 2, [item(50.0)] * 20], PATCH, 20, np.random.default_rng(1))
    images = [images for images, _ in islice(batches, 100)]
    dark = torch.cat(images).mean(dim=(1, 2, 3, 4)) < 20
    assert float(dark.float().mean()) == pytest.approx(0.24, abs=0.03)  # 3 SD of 2000 draws
    assert any(0 < int(part.sum()) < 20 for part in dark.split(20))


def test_a_tile_is_as_large_as_asked_whatever_the_image_and_the_organ_is_in_most() -> None:
    images, labels = next(single_task_batches([item(1.0, (3, 8, 8))], (1, 16, 16), 64, np.random.default_rng(2)))
    assert images.shape == (64, 1, 1, 16, 16)
    assert labels.shape == (64, 1, 16, 16)
    assert set(labels.unique().tolist()) <= {0, 1, 255}
    shown = (labels == 1).flatten(1).any(dim=1).float().mean()
    assert 0.5 < float(shown) < 0.9  # half of them around the organ, and some by chance


def test_air_around_a_small_image_is_its_darkest_value_and_background() -> None:
    small = Item(np.full((1, 2, 2), 7.0, dtype=np.float32), np.ones((1, 2, 2), dtype=np.uint8))
    small.image[0, 0, 0] = 3.0
    image, labels = next(random_tiles([small], (1, 6, 6), np.random.default_rng(3)))
    assert int((labels == 1).sum()) == 4
    corner, bright = image[0, 0, 0], image[0, 3, 3]
    assert bright > corner


def test_no_image_gives_no_tiles() -> None:
    with pytest.raises(TooFewCases, match="at least one image"):
        next(random_tiles([], PATCH, np.random.default_rng(0)))


class Constant(nn.Module):
    """Logits that are the image's brightness times a weight: (background 0, organ w x)."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, tile: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(tile), self.weight * tile], dim=1)


def test_mixup_by_hand() -> None:
    """x = 0.25 * 4 + 0.75 * 0 = 1 for the first, and 3 for the second; the losses are mixed with the same shares."""
    images = torch.stack([torch.full((1, 1, 2, 2), 4.0), torch.zeros(1, 1, 2, 2)])
    labels = torch.stack([torch.ones(1, 2, 2), torch.zeros(1, 2, 2)]).long()
    found = mixed_loss(Constant(), (images, labels), 0.25, torch.tensor([1, 0]))

    logit = torch.tensor([1.0] * 4 + [3.0] * 4)
    p = torch.sigmoid(logit)

    def loss(truth: Tensor) -> Tensor:
        entropy = nn.functional.binary_cross_entropy(p, truth)
        dice = (2 * (p * truth).sum() + 20) / (p.sum() + truth.sum() + 20)
        return entropy + 1 - dice

    own, other = torch.tensor([1.0] * 4 + [0.0] * 4), torch.tensor([0.0] * 4 + [1.0] * 4)
    assert_allclose(float(found.detach()), float(0.25 * loss(own) + 0.75 * loss(other)), rtol=1e-6)


def test_mixup_of_everything_with_itself_is_the_loss_without_it() -> None:
    images, labels = torch.randn(3, 1, 1, 4, 4), torch.randint(0, 2, (3, 1, 4, 4))
    plain = segmentation_loss(Constant(), (images, labels))
    assert_allclose(
        float(mixed_loss(Constant(), (images, labels), 0.3, torch.arange(3)).detach()), float(plain.detach())
    )
    assert_allclose(
        float(mixed_loss(Constant(), (images, labels), 1.0, torch.tensor([2, 0, 1])).detach()), float(plain.detach())
    )


def test_a_seed_mixes_the_same_and_alpha_must_be_positive() -> None:
    batch = (torch.randn(4, 1, 1, 4, 4), torch.randint(0, 2, (4, 1, 4, 4)))
    first, again, other = (
        float(mixup_loss(np.random.default_rng(n), 1.0)(Constant(), batch).detach()) for n in (1, 1, 2)
    )
    assert first == again != other
    with pytest.raises(ValueError, match="alpha above 0"):
        mixup_loss(np.random.default_rng(0), 0.0)


def test_fine_tuning_starts_from_the_given_weights_at_half_the_rate(tmp_path: Path) -> None:
    seen: list[float] = []

    def loss_of(network: nn.Module, _batch: object) -> Tensor:
        seen.append(float(network.weight.detach()))  # type: ignore[arg-type]
        return (network.weight - 10.0).abs()  # type: ignore[operator,return-value]

    start = Constant(3.0).state_dict()
    plan = LoopPlan(2, learning_rate=0.2, weight_decay=0.0, validate_every=2, keep_best=1)
    tuned = Constant(-1.0)
    fine_tune(tuned, start, iter([None] * 2), loss_of, lambda _: 0.0, plan, tmp_path / "a")
    assert seen[0] == 3.0
    assert seen[1] == pytest.approx(3.1, abs=1e-4)  # the first step of Adam is as long as its learning rate, 0.2 / 2
    assert float(start["weight"]) == 3.0


def test_a_loss_that_is_no_number_ends_fine_tuning_by_name(tmp_path: Path) -> None:
    plan = LoopPlan(2, validate_every=1, keep_best=1)
    network = Constant()
    with pytest.raises(TrainingDiverged, match="not a number at step 0"):
        fine_tune(
            network,
            network.state_dict(),
            iter([None]),
            lambda n, _: n.weight * float("nan"),
            lambda _: 0.0,
            plan,
            tmp_path,
        )


def test_validation_is_the_mean_over_datasets_and_skips_what_is_not_known() -> None:
    image = torch.tensor([1.0, 1.0, -1.0, 1.0]).reshape(1, 1, 1, 2, 2)
    right = torch.tensor([1, 1, 0, 255]).reshape(1, 1, 2, 2)
    half = torch.tensor([1, 0, 0, 255]).reshape(1, 1, 2, 2)  # found 2, true 1, both 1: Dice 2/3
    validate = mean_dice_over([[(image, right)], [(image, half)]])
    assert validate(Constant()) == pytest.approx((1 + 2 / 3) / 2)
