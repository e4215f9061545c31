"""Whether the mask runs out of the image."""

import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from shared.quantities import Quantity, geometric_cuts


@features.register("border_touch_fraction")
class BorderTouchFraction:
    """Share of the mask's volume in components that touch an outer face of the image.

    A lesion at the border is cut by the field of view, so its volume is wrong, or is no lesion: padding and the room
    lie there. All of a volume of one slice touches. Undefined for an empty mask.
    """

    quantity = Quantity(
        name="border_touch_fraction",
        unit="fraction",
        direction="higher_is_worse",
        low=0,
        high=1,
        version=1,
        cuts=geometric_cuts(0.001, 0.95),
        label="Share of lesions cut by the border",
    )

    def compute(self, case: Case) -> float | None:
        """In [0, 1]; None for an empty mask."""
        components = case.components
        if components.empty:
            return None
        at_start = components.bounds[:, :, 0] == 0
        at_end = components.bounds[:, :, 1] == np.asarray(components.shape)
        touching = (at_start | at_end).any(axis=1)
        return int(components.sizes[touching].sum()) / components.voxel_count
