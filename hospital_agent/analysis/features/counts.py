"""How many pieces a mask falls into."""

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from shared.quantities import Quantity, count_cuts

INFINITE = float("inf")


@features.register("component_count")
class ComponentCount:
    """Number of 26-connected components of at least 0.01 ml; 0 for an empty mask.

    A lesion that a network breaks up, or a mask that sprinkles over vessels, has many; which number is usual depends on
    the disease, so both directions are suspicious. A volume and not a voxel count makes the number comparable between
    thin and thick slices.

    Source: González et al. 2021 (quality), sec. 2.1, "number of connected components" at city-block distance 3, which
    is the 26-neighbourhood. Differs: pieces under 0.01 ml are counted apart, as `fragment_count`.
    """

    quantity = Quantity(
        name="component_count",
        unit="count",
        direction="neither",
        low=0,
        high=INFINITE,
        version=1,
        cuts=count_cuts(200),
        label="Components",
    )

    def compute(self, case: Case) -> float | None:
        """A whole number >= 0; never undefined."""
        return float(case.components.large.sum())


@features.register("fragment_count")
class FragmentCount:
    """Number of 26-connected components under 0.01 ml: specks that no reader would draw; 0 for an empty mask."""

    quantity = Quantity(
        name="fragment_count",
        unit="count",
        direction="higher_is_worse",
        low=0,
        high=INFINITE,
        version=1,
        cuts=count_cuts(1000),
        label="Fragments",
    )

    def compute(self, case: Case) -> float | None:
        """A whole number >= 0; never undefined."""
        return float((~case.components.large).sum())


@features.register("published_count")
class PublishedCount:
    """All 26-connected components whatever their size: `component_count` plus `fragment_count`.

    Kept so that numbers can be set beside the paper's. Not watched for drift, because its two parts are.

    Source: González et al. 2021 (quality), sec. 2.1. Differs: on the source grid, not on one of (50, 512, 512).
    """

    quantity = Quantity(
        name="published_count",
        unit="count",
        direction="neither",
        low=0,
        high=INFINITE,
        version=1,
        cuts=count_cuts(1000),
        label="Components of any size",
        monitored=False,
    )

    def compute(self, case: Case) -> float | None:
        """A whole number >= 0; never undefined."""
        return float(case.components.count)
