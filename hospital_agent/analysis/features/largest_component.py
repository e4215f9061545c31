"""Whether one piece makes the mask."""

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from shared.quantities import Quantity, linear_cuts


@features.register("largest_component_fraction")
class LargestComponentFraction:
    """Share of the mask's volume that its largest 26-connected component holds; 1 for a single piece.

    Near 0 the mask is scattered; which value is usual depends on the disease. Undefined for an empty mask.
    """

    quantity = Quantity(
        name="largest_component_fraction",
        unit="fraction",
        direction="neither",
        low=0,
        high=1,
        version=1,
        cuts=linear_cuts(0, 1),
        label="Share of the largest component",
    )

    def compute(self, case: Case) -> float | None:
        """In (0, 1]; None for an empty mask."""
        components = case.components
        if components.empty:
            return None
        return int(components.sizes.max()) / components.voxel_count
