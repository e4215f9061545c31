"""Population stability index: known from credit scoring, and only as good as its floor."""

from central_server.drift import drift_statistics, told
from shared.read_models import DriftStatistic
from shared.statistics.null_bands import PSI_FLOOR, Distances


@drift_statistics.register("psi")
def psi(found: Distances, unit: str) -> DriftStatistic:  # noqa: ARG001 - it has none
    """No unit. What an empty bin adds depends on the floor alone; the usual 0.1 and 0.25 ignore the sample size."""
    return told("psi", "", found.psi, f"Shares below {PSI_FLOOR:g} count as {PSI_FLOOR:g}.")
