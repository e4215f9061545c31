"""What is measured on an image, by name and version: so that a new score is computed on old rows, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hospital_agent.analysis.features import features
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.evaluation.rows import Scored

Measured = Mapping[str, str]
T = TypeVar("T")


def measurements(members: int, companions: Mapping[str, str], *, several_passes: bool) -> dict[str, str]:
    """Name -> version of every registered unit, with what else its number depends on.

    Args:
        members: of the ensemble.
        companions: what stands for the autoencoders and networks beside the network, by the name under which a score
            `needs` one.
    """
    marks = features.load("hospital_agent.analysis.features")
    doubts = uncertainty_scores.load("hospital_agent.analysis.uncertainty")
    distances = ood_scores.load("hospital_agent.analysis.ood")
    found = {name: str(unit.quantity.version) for name, unit in marks.items()}
    found |= {name: str(score.quantity.version) for name, score in doubts.items()}
    for name, distance in distances.items():
        companion = companions.get(getattr(distance, "needs", ""))
        found[name] = f"{distance.quantity.version}, {companion}" if companion else str(distance.quantity.version)
    if several_passes:
        for name, score in sampled_scores.items():
            size = f", {members} members" if score.source == "ensemble" else ""
            companion = companions.get(getattr(score, "needs", ""))
            trained = f", {companion}" if companion else ""
            found[name] = f"{score.quantity.version}{size}{trained}"
    return found


def lacking(row: Scored, wanted: Measured) -> dict[str, str]:
    """What a row was not asked for yet, or was asked for in another version."""
    return {name: version for name, version in wanted.items() if row.measured.get(name) != version}


def merged(old: Scored, new: Scored) -> Scored:
    """An old row with what was measured now."""
    return replace(
        new,
        values={**_except(new.measured, old.values), **new.values},
        seconds={**_except(new.measured, old.seconds), **new.seconds},
        failures={**_except(new.measured, old.failures), **new.failures},
        measured={**old.measured, **new.measured},
    )


def _except(names: Measured, told: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in told.items() if name not in names}
