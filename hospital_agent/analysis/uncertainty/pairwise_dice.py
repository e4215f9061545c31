"""How much the masks of several answers disagree, pair by pair."""

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import GeometryMismatch
from hospital_agent.analysis.imaging.volume import BoolArray, Shape
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores
from hospital_agent.analysis.uncertainty.answers import refuse_too_few
from hospital_agent.analysis.uncertainty.quantities import uncertainty_quantity

Packed = NDArray[np.uint8]  # a mask, eight voxels a byte


class PairwiseDice:
    """1 - mean over pairs of answers of the mean over labels of Dice, from the masks on the source's grid."""

    def compute(self, answers: Iterable[Segmentation]) -> float | None:
        """In [0, 1]; always defined, supplied masks included.

        Of an answer only its labels stay, a bit a voxel. The labels of the task are those of the probabilities where
        they are known, else those that any answer shows, and at least one.

        Raises:
            TooFewCases: fewer than two answers.
            GeometryMismatch: their masks lie on different grids.
        """
        held: list[dict[int, Packed]] = []
        label_count, shape = 1, None
        for answer in answers:
            shape = _same_shape(answer, shape)
            held.append({label: np.packbits(mask) for label, mask in _masks(answer)})
            label_count = max(label_count, _labels_of_task(answer), *held[-1])
        refuse_too_few(len(held))
        labels = range(1, label_count + 1)
        dices = [_dice(one.get(label), other.get(label)) for one, other in combinations(held, 2) for label in labels]
        return 1 - float(np.mean(dices))


@sampled_scores.register("pairwise_dice_ensemble")
class PairwiseDiceEnsemble(PairwiseDice):
    """1 - mean over the M (M - 1) / 2 pairs of members of the mean over labels of the Dice of their masks.

    It needs no probabilities and no calibration: where the members disagree about the object, at most one is right.
    Every label of the task counts, and one that neither of a pair predicts agrees (Dice 1), as in MONAI with
    ignore_empty=False. The number of members belongs beside the value.

    Source:
        Roy et al. 2019; Zenk et al. 2025 ("pairwise Dice", there the best method on most tasks); differs: stored as
        1 - it.
    """

    source: Literal["ensemble"] = "ensemble"
    passes: int | None = None
    quantity = uncertainty_quantity("pairwise_dice_ensemble", "1 - mean Dice of pairs of members")


@sampled_scores.register("pairwise_dice_dropout")
class PairwiseDiceDropout(PairwiseDice):
    """The same over ten passes of one network with dropout on.

    Source:
        As `pairwise_dice_ensemble`; "MC-dropout(10) + pairwise Dice" of Zenk et al. 2025.
    """

    source: Literal["dropout"] = "dropout"
    passes: int | None = 10
    quantity = uncertainty_quantity("pairwise_dice_dropout", "1 - mean Dice of pairs of passes with dropout")


def _masks(answer: Segmentation) -> Iterator[tuple[int, BoolArray]]:
    """The labels that an answer shows, with their masks."""
    if answer.labels is None:
        if answer.mask.any():
            yield 1, answer.mask
    else:
        for label in np.flatnonzero(np.bincount(answer.labels.reshape(-1))):
            if label:
                yield int(label), answer.labels == label


def _labels_of_task(answer: Segmentation) -> int:
    """As far as the answer tells."""
    if answer.labels is None or answer.class_probabilities is None:
        return 1
    return int(answer.class_probabilities.shape[0]) - 1


def _same_shape(answer: Segmentation, before: Shape | None) -> Shape:
    z, y, x = answer.mask.shape
    if before not in (None, (z, y, x)):
        raise GeometryMismatch(f"An answer of {(z, y, x)} voxels came after one of {before}.")
    return z, y, x


def _dice(one: Packed | None, other: Packed | None) -> float:
    if one is None or other is None:
        return 1.0 if one is other else 0.0
    total = _voxels(one) + _voxels(other)
    return 2 * _voxels(one & other) / total


def _voxels(packed: Packed) -> int:
    return int(np.bitwise_count(packed).sum(dtype=np.int64))
