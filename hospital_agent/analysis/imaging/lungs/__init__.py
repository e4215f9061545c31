"""Lung masks that keep disease in: one backend a file, chosen by name and recorded with every value made from it.

A lung mask is used to ask how much of a lesion mask lies in the lungs, so a backend must keep ground glass and dense
consolidation inside; one that cuts them out would call a right lesion mask wrong.
"""

from typing import Protocol

from hospital_agent.analysis.imaging.volume import BoolArray, Volume
from shared.registry import Registry


class LungBackend(Protocol):
    """Anything that finds the lungs of a volume."""

    def find(self, volume: Volume) -> BoolArray | None:
        """Both lungs as one mask on the volume's own grid; None where the volume shows no lungs."""
        ...


lung_backends: Registry[type[LungBackend]] = Registry("lung backend")
