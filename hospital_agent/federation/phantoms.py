"""Analytic chests with lesions of known place, for a site that has no reference masks of its own."""

import hashlib
from pathlib import Path

import numpy as np

from hospital_agent.federation.looked_at import LookedAt, kept, seen_in, toolkit_of
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.model_folder import modality_of
from hospital_agent.pipeline import analyse_case
from hospital_agent.settings import Settings
from hospital_agent.simulation.hosts import phantom_host
from hospital_agent.simulation.patient import SimulatedPatient, simulate_patient
from hospital_agent.simulation.scanner import draw_scanner

COUNT = 12
SEED = 20261
MOST_LESIONS = 6


def look_at_phantoms(settings: Settings, model: Path) -> list[LookedAt]:
    """What the model shows of a dozen phantoms, each another person; [] for a model that does not read CT.

    They are the same at every site and every time, and are no patients: they show whether a reference is broken, not
    how good it is.
    """
    if modality_of(model) != "CT":
        return []
    found = [_looked(settings, model, number) for number in range(COUNT)]
    return [one for one in found if one is not None]


def phantom(number: int) -> SimulatedPatient:
    """The phantom of a number, always the same: with one to six lesions, under any scanner of training."""
    rng = np.random.default_rng([SEED, number])
    host = phantom_host(SEED + number)
    return simulate_patient(
        host,
        draw_scanner(rng, host.spacing_mm[0]),
        rng,
        lesion_count=1 + int(rng.integers(MOST_LESIONS)),
    )


def _looked(settings: Settings, model: Path, number: int) -> LookedAt | None:
    def look() -> LookedAt:
        drawn = phantom(number)
        result = analyse_case(drawn.volume, toolkit_of(settings, model))
        return seen_in(result, f"phantom-{number}", drawn.truth)

    name = hashlib.sha256(f"{hash_of(model)}/{settings.lungs}/phantom-{SEED}-{number}".encode()).hexdigest()
    return kept(settings, name, look)
