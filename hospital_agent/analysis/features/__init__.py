"""Mask-QC features: scalars that describe a mask in its image, without a reference. One feature a file.

A feature is a class with a `quantity` and `compute(case)`; registering it is all it takes to appear in the JSON of
`hospital-agent analyse`, in the store, in reports and on the dashboard. One that has a meaning in one modality alone
says which with a class attribute `modality = "CT"` or `"MR"`, and is left out of what the other modality shows.
"""

from typing import Protocol

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.imaging.volume import Modality
from shared.quantities import Quantity
from shared.registry import Registry


class Feature(Protocol):
    """A scalar of a case, or None where the case cannot have it (never 0, never NaN)."""

    quantity: Quantity

    def compute(self, case: Case) -> float | None:
        """The value in the unit of `quantity`, inside its range; None where it is undefined."""
        ...


features: Registry[type[Feature]] = Registry("feature")


def has_meaning_in(feature: type[Feature], modality: Modality) -> bool:
    """Whether a feature can have a value in images of a modality."""
    return getattr(feature, "modality", modality) == modality
