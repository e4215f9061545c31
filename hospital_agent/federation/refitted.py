"""A model folder made of another one and of accepted proposals: same network, another reference or quality model."""

import json
import os
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import Proposal
from hospital_agent.model_folder import FITTED, QUALITY, load_model

LONGEST_VERSION = 64
_REFERENCE, _RANGES = FITTED


def refit(base: Path, out: Path, chosen: Sequence[Proposal]) -> str:
    """Write the folder, whole or not at all; returns its hash.

    The network and every part that no proposal replaces are the base's, as links where the disk allows it. The version
    says that it is federated, so that windows and baselines of the two never mix.

    Args:
        out: must not exist yet.
        chosen: later ones go before earlier ones.

    Raises:
        SettingsError: a proposal's file is not the one of its card.
        ModelMismatch: what comes out is no model folder.
    """
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copytree(base, partial, copy_function=link_or_copy)
    manifest: dict[str, Any] = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
    for one in chosen:
        _put(partial, one)
    kept = {QUALITY} & {path.name for path in partial.iterdir()}
    manifest["files"] |= {part: sha256((partial / part).read_bytes()).hexdigest() for part in (*FITTED, *kept)}
    manifest["version"] = version_of(manifest["version"], chosen[-1].run)
    manifest["made_from"] = {**manifest["made_from"], "base": hash_of(base), "federated": [one.card for one in chosen]}
    written(partial / "manifest.json", as_json(manifest))
    written(partial / "MODEL_CARD.md", with_federated_part(base, chosen).encode())
    load_model(partial, with_network=False)
    partial.rename(out)
    return hash_of(out)


def _put(folder: Path, one: Proposal) -> None:
    from safetensors.numpy import load, save

    reference, quality = one.reference(), one.quality()
    if reference is not None:
        name, score, scale = reference
        state = load((folder / _REFERENCE).read_bytes())
        kept = {key: array for key, array in state.items() if not key.startswith(f"{name}.")}
        fresh = {f"{name}.{key}": np.ascontiguousarray(array) for key, array in score.state().items()}
        written(folder / _REFERENCE, save({**kept, **fresh}))
        ranges = json.loads((folder / _RANGES).read_text(encoding="utf-8"))
        written(folder / _RANGES, as_json({**ranges, name: [scale.low, scale.median, scale.high]}))
    if quality is not None:
        written(folder / QUALITY, as_json(quality))


def version_of(base: str, run: str) -> str:
    """The version of what a run made of a model, fit for a report."""
    suffix = f"+fed.{run[:8]}"
    return base[: LONGEST_VERSION - len(suffix)] + suffix


def with_federated_part(base: Path, chosen: Sequence[Proposal]) -> str:
    """The model card of the base, and what is federated beside it."""
    path = base / "MODEL_CARD.md"
    before = path.read_text(encoding="utf-8") if path.exists() else "# Model card\n"
    lines = "\n".join(
        f"- `{one.run}`: {one.card['job']} over {', '.join(one.card['sites'])}, made {one.card['made_at']}"
        for one in chosen
    )
    return f"""{before}
## Federated parts

These were fitted over several sites and accepted at this one; what is said above of the parts that they replace, and of
how well flags and scores do, was measured before.

{lines}
"""


def written(path: Path, content: bytes) -> None:
    """Put a file into a folder of copies, on disk when this returns."""
    path.unlink(missing_ok=True)  # it may be a link to the base's file, which must stay as it is
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def link_or_copy(source: str, target: str) -> str:
    """For `copytree`: models are large, and a folder made of another one shares its files where the disk allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target


def as_json(told: Any) -> bytes:
    """As the files of a model folder are written."""
    return (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
