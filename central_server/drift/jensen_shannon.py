"""Jensen-Shannon divergence: how well one could tell a case of the window from one of the baseline."""

from central_server.drift import drift_statistics, told
from shared.read_models import DriftStatistic
from shared.statistics.null_bands import Distances


@drift_statistics.register("jensen_shannon")
def jensen_shannon(found: Distances, unit: str) -> DriftStatistic:  # noqa: ARG001 - it has a unit of its own
    """In bits: 0 for equal shares, 1 for shares that never meet."""
    return told("jensen_shannon", "bit", found.jensen_shannon, "0 is no difference, 1 no overlap.")
