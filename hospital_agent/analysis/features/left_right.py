"""On which side the mask lies."""

import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from hospital_agent.analysis.imaging.lungs.sides import lungs_midline
from shared.quantities import Quantity, linear_cuts


@features.register("left_right_balance")
class LeftRightBalance:
    """(left - right) / (left + right) of the lesion volume: 1 when all is in the patient's left half, -1 in the right.

    The halves meet in the middle of the lungs' extent from side to side, wherever the patient lies in the image. Over
    many patients it settles near 0; an image read the wrong way round, or a network blind on one side, moves it.
    Undefined for an empty mask, without lungs, and where only one lung is seen: there the lesions have no choice.
    """

    modality = "CT"  # lungs are looked for in HU
    quantity = Quantity(
        name="left_right_balance",
        unit="fraction",
        direction="neither",
        low=-1,
        high=1,
        version=1,
        cuts=linear_cuts(-1, 1),
        label="Left against right",
    )

    def compute(self, case: Case) -> float | None:
        """In [-1, 1]; None for an empty mask, or without a lung on both sides."""
        components = case.components
        if case.lungs is None or components.box is None or case.volume.modality != self.modality:
            return None
        found = lungs_midline(case.volume.array, case.lungs)
        if found is None or not found[1]:
            return None
        middle = found[0]
        x = components.voxels % components.labels.shape[2] + components.box[2].start
        # X runs from the patient's right to left; a voxel right on the middle belongs to neither half.
        left, right = np.count_nonzero(x > middle), np.count_nonzero(x < middle)
        return (int(left) - int(right)) / components.voxel_count
