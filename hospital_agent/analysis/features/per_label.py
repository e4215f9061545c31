"""The mask-QC features of each label of a task with several."""

from collections.abc import Mapping
from dataclasses import replace

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import Feature


def per_label(case: Case, features: Mapping[str, Feature], label_count: int) -> dict[str, float | None]:
    """`label_<n>_<feature>` for labels 1 ... `label_count`, each computed as if that label were the whole mask.

    A label that is absent is an empty mask: what an empty mask cannot have is None, and its volume is 0.

    Args:
        case: one whose segmentation has labels.
        features: name -> feature.

    Returns:
        An empty mapping where the segmentation has no labels: then the mask is the one label.
    """
    labels = case.segmentation.labels
    if labels is None:
        return {}
    values: dict[str, float | None] = {}
    for number in range(1, label_count + 1):
        alone = replace(case, segmentation=replace(case.segmentation, mask=labels == number, labels=None))
        values |= {f"label_{number}_{name}": feature.compute(alone) for name, feature in features.items()}
    return values
