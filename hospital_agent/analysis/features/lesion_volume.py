"""How much was segmented."""

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from shared.quantities import Quantity, geometric_cuts


@features.register("lesion_volume_ml")
class LesionVolume:
    """Volume of the whole mask in ml; 0 for an empty mask.

    Dice depends on it, as the paper says: a small lesion is failed by a few voxels. A site whose masks shrink or swell
    has another disease, another protocol or a broken model.
    """

    quantity = Quantity(
        name="lesion_volume_ml",
        unit="ml",
        direction="neither",
        low=0,
        high=float("inf"),
        version=1,
        cuts=geometric_cuts(0.01, 2000),
        label="Lesion volume",
    )

    def compute(self, case: Case) -> float | None:
        """In ml, >= 0; never undefined."""
        return case.components.voxel_count * case.volume.voxel_ml
