"""That two sums over one quantity never differ by a few patients of this site.

Sites that sum the same thing twice, with one patient more at one of them, would show that patient to whoever holds both
totals. So a site gives again what it gave before until at least k patients have come, gone or changed since; this holds
against every set that it ever gave of the quantity, and is written down before anything leaves.
"""

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from hospital_agent.federation.jobs.errors import JobRefused
from hospital_agent.settings import Settings
from shared.errors import SettingsError

FOLDER = "given"
Given = dict[str, str]  # patient (pseudonym) -> hash of what was given of the patient


class TooFewChanged(JobRefused):
    """Since its last sum some patients of this site have gone or changed, and fewer than k."""

    reason = "too_few_changed"


def steady(settings: Settings, quantity: str, items: Sequence[tuple[str, bytes]], k: int) -> list[bool]:
    """Which of the items may be given now; remembered as given.

    Args:
        quantity: what the sum is of.
        items: patient and content of each row, case or number.
        k: the site's own.

    Raises:
        TooFewChanged: neither what there is now nor what was given last may be given.
        SettingsError: the file of what was given cannot be read.
    """
    now, earlier = _of(items), _read(settings, quantity)
    if all(not changed(now, before) or len(changed(now, before)) >= k for before in earlier):
        chosen = now
    elif all(now.get(patient) == content for patient, content in earlier[-1].items()):
        chosen = earlier[-1]
    else:
        raise TooFewChanged("Fewer patients have gone or changed at this site since its last sum than its rule asks.")
    if chosen not in earlier:
        _write(settings, quantity, [*earlier, chosen])
    elif chosen != earlier[-1]:
        _write(settings, quantity, [*(one for one in earlier if one != chosen), chosen])
    return [patient in chosen for patient, _ in items]


def given_patients(settings: Settings, quantity: str) -> frozenset[str]:
    """The patients of this site in its last sum of a quantity."""
    earlier = _read(settings, quantity)
    return frozenset(earlier[-1]) if earlier else frozenset()


def changed(one: Given, other: Given) -> set[str]:
    """The patients who are in one of the two alone, or of whom something else was given."""
    return {patient for patient in one.keys() | other.keys() if one.get(patient) != other.get(patient)}


def _of(items: Sequence[tuple[str, bytes]]) -> Given:
    contents: dict[str, list[str]] = {}
    for patient, content in items:
        contents.setdefault(patient, []).append(sha256(content).hexdigest())
    return {patient: sha256("".join(sorted(each)).encode()).hexdigest()[:32] for patient, each in contents.items()}


def _path(settings: Settings, quantity: str) -> Path:
    return settings.federation_dir / FOLDER / f"{sha256(quantity.encode()).hexdigest()[:32]}.json"


def _read(settings: Settings, quantity: str) -> list[Given]:
    path = _path(settings, quantity)
    if not path.exists():
        return []
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return [dict(one) for one in told["given"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError("What this site gave in federated work cannot be read; nothing is given.") from None


def _write(settings: Settings, quantity: str, given: Sequence[Given]) -> None:
    path = _path(settings, quantity)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(".partial")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps({"quantity": quantity, "given": given}))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
