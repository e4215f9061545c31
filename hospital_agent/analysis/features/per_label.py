"""Every feature on every label of a task with several."""

from collections.abc import Mapping
from dataclasses import replace

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import Feature
from hospital_agent.analysis.segmentation.base import Segmentation


def per_label(case: Case, features: Mapping[str, Feature]) -> dict[str, float | None]:
    """`label_<n>_<feature>` for each label n >= 1 of the task and each feature, computed on that label's mask alone.

    A failed label hides in the mask of all: one that fell to pieces beside a large whole one, or one that is missing.
    Units and ranges are those of the feature. A label that was predicted nowhere is an empty mask: its volume and its
    counts are 0, and what an empty mask cannot have is None. The task's labels are the classes of the network's
    probabilities; without those, the labels up to the highest that occurs (the task's others are then unknown).
    Undefined for one modality stays so: `intensity_mode_hu` is None for MR.

    Args:
        case: with `labels` on the grid of the volume; a task with one label has none, and gives an empty dictionary.
        features: name -> feature.
    """
    labels = case.segmentation.labels
    if labels is None:
        return {}
    values: dict[str, float | None] = {}
    for number in range(1, _label_count(case.segmentation) + 1):
        alone = replace(case, segmentation=replace(case.segmentation, mask=labels == number))
        values |= {f"label_{number}_{name}": feature.compute(alone) for name, feature in features.items()}
    return values


def _label_count(segmentation: Segmentation) -> int:
    """How many labels the task has, background not counted."""
    if segmentation.class_probabilities is not None:
        return len(segmentation.class_probabilities) - 1
    return 0 if segmentation.labels is None else int(segmentation.labels.max())
