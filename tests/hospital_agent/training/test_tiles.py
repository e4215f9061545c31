"""Random tiles, and the quick Dice, where part of an image is not known."""

import numpy as np
import torch

from hospital_agent.training.pool import IGNORE
from hospital_agent.training.tiles import endless_tiles, tile_dice


def test_tiles_lie_around_what_is_labelled_and_not_around_what_is_not_known():
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    labels[:4, :4, :4] = 1
    labels[30:, 30:, 30:] = IGNORE
    tiles = endless_tiles([(np.zeros(labels.shape, dtype=np.float32), labels)], (8, 8, 8), 60, np.random.default_rng(0))
    _, marks = next(tiles)
    with_label, unknown = ((marks == number).flatten(1).any(dim=1).float().mean() for number in (1, IGNORE))
    assert with_label > 0.5
    assert unknown < 0.2


def test_what_is_not_known_counts_neither_for_nor_against():
    labels = torch.zeros((1, 2, 2, 2), dtype=torch.int64)
    labels[0, 0] = 1
    labels[0, 1, 0] = IGNORE

    class Everything(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = torch.nn.Parameter(torch.tensor([0.0, 1.0]))

        def forward(self, image):
            return self.bias[None, :, None, None, None].expand(-1, -1, *image.shape[2:])

    tile = torch.zeros((1, 1, 2, 2, 2))
    assert tile_dice(Everything(), [(tile, labels)]) == 2 * 4 / (6 + 4)
