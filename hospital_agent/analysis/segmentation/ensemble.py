"""Several networks for one task: the mean of what they say, and the features of the first."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.resample import resample_to_shape
from hospital_agent.analysis.imaging.volume import FloatArray, Volume
from hospital_agent.analysis.segmentation.base import DropoutSegmenter, Segmentation, Segmenter, segmenters
from hospital_agent.analysis.segmentation.network import on_source_grid


@segmenters.register("ensemble")
class EnsembleOfSegmenters:
    """The mean of the members' softmax; tiles, layers and intensities are the first member's.

    nnU-Net averages the logits of its folds; here probabilities are averaged, as for all ensembles, so the mask of five
    folds can differ from nnU-Net's in voxels that the folds do not agree on.

    Args:
        members: at least two segmenters of one task.

    Raises:
        NotApplicable: fewer than two members.
    """

    def __init__(self, members: Sequence[Segmenter], *, version: str, model_hash: str) -> None:
        if len(members) < 2:
            raise NotApplicable("An ensemble has at least two members.")
        self.members = tuple(members)
        self.version, self.model_hash = version, model_hash

    def segment(self, volume: Volume) -> Segmentation:
        """Segment with every member; holds one member's answer at a time."""
        answers = self.segment_members(volume)
        first = next(answers)
        summed, passes, warnings = _softmax(first).copy(), first.passes, list(first.warnings)
        for answer in answers:
            softmax = _softmax(answer)
            if softmax.shape[0] != summed.shape[0]:
                raise NotApplicable("The members of an ensemble predict different numbers of classes.")
            summed += _on_grid(softmax, summed)
            passes += answer.passes
            warnings += [warning for warning in answer.warnings if warning not in warnings]
        mean = np.clip(summed / np.float32(len(self.members)), 0.0, 1.0)
        mask, labels = on_source_grid(mean, volume.shape)
        return replace(
            first,
            mask=mask,
            labels=labels,
            probability=1.0 - mean[0],
            class_probabilities=mean,
            backend="ensemble",
            model_version=self.version,
            model_hash=self.model_hash,
            passes=passes,
            warnings=tuple(warnings),
        )

    def segment_members(self, volume: Volume) -> Iterator[Segmentation]:
        """The answer of each member, one at a time."""
        return (member.segment(volume) for member in self.members)

    def sample(self, volume: Volume, passes: int, seed: int) -> Iterator[Segmentation]:
        """Dropout of the first member; see `DropoutSegmenter`.

        Raises:
            NoDropout: it has none.
        """
        first = self.members[0]
        if not isinstance(first, DropoutSegmenter):
            raise NotApplicable("The first member of the ensemble cannot be sampled.")
        return first.sample(volume, passes, seed)


def _softmax(answer: Segmentation) -> FloatArray:
    if answer.class_probabilities is not None:
        return answer.class_probabilities
    raise NotApplicable("A member of an ensemble gives no softmax; overlapping regions cannot be averaged.")


def _on_grid(softmax: FloatArray, other: FloatArray) -> FloatArray:
    """Probabilities on the grid of another array; members may work on grids of their own."""
    if softmax.shape == other.shape:
        return softmax
    z, y, x = other.shape[1:]
    return np.stack([resample_to_shape(one, (z, y, x)) for one in softmax])
