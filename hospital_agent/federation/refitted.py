"""A model folder made of another one and of accepted proposals: same network, another reference or quality model."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import Proposal
from hospital_agent.model_folder import load_model
from hospital_agent.model_manifest import FITTED, QUALITY, read_manifest

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
    partial, manifest = begun(base, out, chosen)
    for one in chosen:
        put(partial, one)
    return finished(partial, out, manifest, (*FITTED, QUALITY), with_federated_part(base, chosen))


def partial_of(out: Path) -> Path:
    """Where a folder is made before it is whole."""
    return out.with_name(f"{out.name}.partial")


def begun(base: Path, out: Path, chosen: Sequence[Proposal], ending: str = "") -> tuple[Path, dict[str, Any]]:
    """A folder beside `out` that holds the base still, and the manifest that it is to get; its files are not in yet.

    Args:
        ending: of the version, where a site does more to a proposal than to take it as it is.

    Raises:
        ModelMismatch: a part of the base is damaged, which new hashes would hide.
    """
    load_model(base, with_network=False)
    partial = partial_of(out)
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copytree(base, partial, copy_function=link_or_copy)
    manifest = read_manifest(base)
    manifest["version"] = version_of(manifest["version"], chosen[-1].run, ending)
    cards = [dict(one.card) for one in chosen]
    manifest["made_from"] = {**manifest["made_from"], "base": hash_of(base), "federated": cards}
    return partial, manifest


def finished(partial: Path, out: Path, manifest: Mapping[str, Any], changed: Iterable[str], card: str) -> str:
    """The folder under its own name, once it can be loaded; returns its hash.

    Raises:
        ModelMismatch: it is no model folder.
    """
    write_manifest(partial, manifest, changed)
    written(partial / "MODEL_CARD.md", card.encode())
    load_model(partial, with_network=False)
    partial.rename(out)
    return hash_of(out)


def write_manifest(folder: Path, manifest: Mapping[str, Any], changed: Iterable[str]) -> None:
    """Write the manifest of the parts that lie in a folder: the hash of what changed is new, that of the rest stays."""
    there = {path.name for path in folder.iterdir()}
    kept = {name: digest for name, digest in manifest["files"].items() if name in there}
    fresh = {name: sha256((folder / name).read_bytes()).hexdigest() for name in there.intersection(changed)}
    written(folder / "manifest.json", as_json({**manifest, "files": {**kept, **fresh}}))


def put(folder: Path, one: Proposal) -> None:
    """Put the reference or the quality model of a proposal into a folder; without its manifest.

    Raises:
        SettingsError: a file is not the one of the card.
    """
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


def version_of(base: str, run: str, ending: str = "") -> str:
    """The version of what a run made of a model, fit for a report."""
    suffix = f"+fed.{run[:8]}{ending}"
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
