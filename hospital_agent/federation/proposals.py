"""What federated runs came to at this site: proposed, with a card, and put to use by nobody but a person.

proposals/<run>/card.json                what it is, over whom, for which model, with the hash of each file
proposals/<run>/reference.safetensors    of `gaussian`: the fitted score
proposals/<run>/quality.json             of `logistic` and `conformal`: the quality model
proposals/<run>/network.safetensors      of `train_segmenter`: the weights
proposals/<run>/mask_autoencoder.safetensors, autoencoder.safetensors
                                         of `train_mask_autoencoder` and `train_segmentation_distortion`: the weights
proposals/<run>/own_patients.json        pseudonyms of the site's patients who are in the reference, or have taught
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import OodScore
from hospital_agent.federation.site_jobs import Ended
from hospital_agent.settings import Settings
from shared.clock import Clock, rfc3339, utc_now
from shared.errors import SettingsError

FOLDER = "proposals"
CARD, REFERENCE, QUALITY = "card.json", "reference.safetensors", "quality.json"
NETWORK = "network.safetensors"
OWN_PATIENTS = "own_patients.json"
_RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Proposal:
    """One proposed version.

    Args:
        folder: where it lies.
        card: job, score or kind, sites, counts, hash of the model that it is for, hashes of its files.
    """

    folder: Path
    card: Mapping[str, Any]

    @property
    def run(self) -> str:
        """The run that it came from."""
        return str(self.card["run"])

    @property
    def model(self) -> str:
        """Hash of the model folder that it is for."""
        return str(self.card["model"])

    def reference(self) -> tuple[str, OodScore, ValidationRange] | None:
        """Name, fitted score and scale; None where it proposes no reference.

        Raises:
            SettingsError: a file is not the one of the card.
        """
        if REFERENCE not in self.card["files"]:
            return None
        from safetensors.numpy import load

        from hospital_agent.federation.looked_at import OF_ONE_GAUSSIAN

        name = str(self.card["score"])
        state = load(self.checked(REFERENCE))
        return name, OF_ONE_GAUSSIAN[name].from_state(state), ValidationRange(*self.card["range"])

    def quality(self) -> dict[str, Any] | None:
        """Kind and model as `quality.json` of a model folder has them; None where it proposes none.

        Raises:
            SettingsError: a file is not the one of the card.
        """
        if QUALITY not in self.card["files"]:
            return None
        told: dict[str, Any] = json.loads(self.checked(QUALITY))
        return told

    def own_patients(self) -> frozenset[str]:
        """The patients of this site who are in the proposed reference, or from whom the proposed network has learnt.

        Raises:
            SettingsError: the file is not the one of the card.
        """
        return frozenset(json.loads(self.checked(OWN_PATIENTS)) if OWN_PATIENTS in self.card["files"] else [])

    def checked(self, name: str) -> bytes:
        """One of its files.

        Raises:
            SettingsError: it is not the one of the card.
        """
        try:
            content = (self.folder / name).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != self.card["files"][name]:
            raise SettingsError(f"{name} of the proposal {self.run} is not the file that its card names.")
        return content


def keep_proposal(
    settings: Settings, job: str, model: str, ended: Ended, told: Mapping[str, Any], files: Mapping[str, bytes],
    clock: Clock = utc_now,
) -> Proposal:  # fmt: skip
    """Write a proposal, whole or not at all; one of the same run is replaced."""
    folder = settings.federation_dir / FOLDER / ended.run
    card = {
        "run": ended.run,
        "job": job,
        "model": model,
        "sites": sorted(ended.contributors),
        "made_at": rfc3339(clock()),
        **told,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    partial = folder.with_name(f"{ended.run}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    for name, content in {**files, CARD: _json(card)}.items():
        with (partial / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return Proposal(folder, card)


def reference_file(score: OodScore) -> bytes:
    """The fitted state of a score as the file of a proposal."""
    from safetensors.numpy import save

    return save({key: np.ascontiguousarray(array) for key, array in score.state().items()})


def patients_file(patients: Iterable[str]) -> bytes:
    """Pseudonyms as the file of a proposal."""
    return json.dumps(sorted(patients)).encode()


def quality_file(kind: str, model: Mapping[str, Any]) -> bytes:
    """A quality model as the file of a proposal."""
    return _json({"kind": kind, "model": model})


def proposals(settings: Settings) -> list[Proposal]:
    """All of them, oldest first."""
    folder = settings.federation_dir / FOLDER
    found = [path for path in folder.iterdir() if _RUN.fullmatch(path.name)] if folder.is_dir() else []
    return sorted((_read(path) for path in found), key=lambda one: (str(one.card["made_at"]), one.run))


def proposal(settings: Settings, run: str) -> Proposal:
    """The proposal of a run, named by its id or by how that begins.

    Raises:
        SettingsError: there is none, or more than one.
    """
    found = [one for one in proposals(settings) if one.run.startswith(run) and len(run) >= 4]
    if len(found) != 1:
        raise SettingsError(f"{len(found)} proposals begin with '{run[:32]}'; hospital-agent federation versions")
    return found[0]


def _read(folder: Path) -> Proposal:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        needed = {"run", "job", "model", "made_at", "files"}
        if not isinstance(card, dict) or not needed <= set(card) or card["run"] != folder.name:
            raise ValueError("Not a card.")
    except (OSError, ValueError):
        raise SettingsError(f"The card of the proposal {folder.name} cannot be read.") from None
    return Proposal(folder, card)


def _json(told: Mapping[str, Any]) -> bytes:
    return (json.dumps(told, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
