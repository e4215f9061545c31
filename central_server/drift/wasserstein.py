"""Wasserstein distance: how far values moved, in the quantity's own unit."""

from central_server.drift import drift_statistics, told
from shared.read_models import DriftStatistic
from shared.statistics.null_bands import Distances


@drift_statistics.register("wasserstein")
def wasserstein(found: Distances, unit: str) -> DriftStatistic:
    """The mean way from baseline to window; movements beyond the outermost cuts are not seen."""
    return told("wasserstein", unit, found.wasserstein, "Movements beyond the outermost cuts are not seen.")
