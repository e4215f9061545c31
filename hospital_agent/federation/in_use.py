"""Which model folder is in use at this site: the site's own, or one made of it and of accepted proposals.

The file `versions.jsonl` holds a line for every change, newest last, and is only ever appended to. A version counts for
the model folder that it was made from and for no other: whoever sets another AGENT_MODEL_DIR begins without any.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from hospital_agent.federation.model_hash import hash_of
from hospital_agent.model_folder import SHIPPED_MODEL
from hospital_agent.settings import Settings
from shared.errors import SettingsError

FILE, FOLDER = "versions.jsonl", "versions"


@dataclass(frozen=True)
class Change:
    """One line of the history.

    Args:
        at: when, as text.
        action: accept or roll_back.
        base: hash of the model folder that the version is made from.
        runs: whose proposals are in it; () is the base itself.
        model: hash of the version.
        folder: its name among the versions; "" for the base.
    """

    at: str
    action: str
    base: str
    runs: tuple[str, ...]
    model: str
    folder: str


def model_in_use(settings: Settings) -> Path | None:
    """The folder to load: that of the accepted version, or what AGENT_MODEL_DIR says.

    Raises:
        SettingsError: the history cannot be read, or the folder of the accepted version is gone.
        ModelMismatch: AGENT_MODEL_DIR is no model folder.
    """
    if not (settings.federation_dir / FILE).exists():
        return settings.model_dir
    stack = versions(settings)
    if not stack or not stack[-1].folder:
        return settings.model_dir
    folder = settings.federation_dir / FOLDER / stack[-1].folder
    if not folder.is_dir():
        raise SettingsError("The accepted model version is not in AGENT_DATA_DIR: hospital-agent federation roll-back")
    return folder


def versions(settings: Settings) -> list[Change]:
    """The versions of the present base that a roll-back could return to, the one in use last; none means the base.

    Raises:
        SettingsError: the history cannot be read.
    """
    base, stack = hash_of(settings.model_dir or SHIPPED_MODEL), list[Change]()
    for change in history(settings):
        if change.base != base:
            continue
        if change.action == "accept":
            stack.append(change)
        elif stack:
            stack.pop()
    return stack


def history(settings: Settings) -> list[Change]:
    """Every change, oldest first.

    Raises:
        SettingsError: a line is damaged; names it.
    """
    path, found = settings.federation_dir / FILE, list[Change]()
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            told = json.loads(line)
            found.append(Change(**{**told, "runs": tuple(told["runs"])}))
        except (ValueError, KeyError, TypeError):
            raise SettingsError(f"Line {number} of {FILE} in AGENT_DATA_DIR cannot be read.") from None
    return found


def record(settings: Settings, change: Change) -> None:
    """Append a line, synced to disk."""
    settings.federation_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.federation_dir / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(change)) + "\n")
        file.flush()
        os.fsync(file.fileno())
