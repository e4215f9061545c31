"""Whether the mask is solid."""

import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.components import Components, label
from hospital_agent.analysis.features import features
from hospital_agent.analysis.imaging.volume import BoolArray
from shared.quantities import Quantity, geometric_cuts

SMALLEST_WALL = 6  # voxels that can enclose another one: its six face neighbours


@features.register("hole_fraction")
class HoleFraction:
    """Share of the filled mask that is hole: background enclosed by the mask on all sides, in three dimensions.

    Background is connected through faces, the counterpart of 26-connected foreground. Readers draw lesions solid; a
    network that is unsure inside leaves holes. Undefined for an empty mask, 0 for a solid one.
    """

    quantity = Quantity(
        name="hole_fraction",
        unit="fraction",
        direction="higher_is_worse",
        low=0,
        high=1,
        version=1,
        cuts=geometric_cuts(1e-5, 0.5),
        label="Share of holes",
    )

    def compute(self, case: Case) -> float | None:
        """In [0, 1); None for an empty mask."""
        components = case.components
        if components.empty:
            return None
        holes = _hole_voxels(components)
        return holes / (holes + components.voxel_count)


def _hole_voxels(components: Components) -> int:
    """Enclosed voxels, looked for in the box of each component: a hole's wall is always one 26-connected component.

    A hole can lie in the boxes of several components, so those found are remembered.
    """
    able = (components.sizes >= SMALLEST_WALL) & (np.ptp(components.bounds, axis=2) >= 3).all(axis=1)
    found = np.zeros(components.labels.shape, dtype=np.bool_)
    count = 0
    for component in np.flatnonzero(able):
        box = components.local(components.box_of(int(component)))
        fresh = _enclosed(components.labels[box] > 0) & ~found[box]
        count += int(np.count_nonzero(fresh))
        found[box] |= fresh
    return count


def _enclosed(mask: BoolArray) -> BoolArray:
    """Background that no path through faces joins to the outside of the array."""
    labels, count = label(~mask, 6)
    outside = np.zeros(count + 1, dtype=np.bool_)
    outside[0] = True
    for axis in range(3):
        for face in (0, -1):
            outside[np.take(labels, face, axis=axis)] = True
    enclosed: BoolArray = ~outside[labels]
    return enclosed
