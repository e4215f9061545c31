"""How much of a mask lies where its disease can be."""

import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from shared.quantities import Quantity, geometric_cuts

NEAR_ONE = tuple(sorted(1 - distance for distance in geometric_cuts(0.001, 0.9)))


@features.register("lesion_in_lungs")
class LesionInLungs:
    """Share of the mask's voxels that lie in the lungs.

    A lung lesion outside the lungs cannot be: bowel gas, the room or the spine was taken for lung. The lungs come from
    the backend that `Case.lungs_backend` names; one that cuts consolidation out would make this low for right masks.
    Undefined for an empty mask, and where the task has no lungs or none were found.

    Source: González et al. 2021 (quality), sec. 2.1, "segmented voxels within the lungs". Differs: voxels are counted,
    so an integer mask cannot overflow.
    """

    modality = "CT"  # lungs are looked for in HU
    quantity = Quantity(
        name="lesion_in_lungs",
        unit="fraction",
        direction="higher_is_better",
        low=0,
        high=1,
        version=1,
        cuts=NEAR_ONE,
        label="Share of the lesions inside the lungs",
    )

    def compute(self, case: Case) -> float | None:
        """In [0, 1]; None for an empty mask or without lungs."""
        components = case.components
        if case.lungs is None or components.box is None or case.volume.modality != self.modality:
            return None
        inside = case.lungs[components.box].reshape(-1)[components.voxels]
        return int(np.count_nonzero(inside)) / components.voxel_count
