"""A model folder around a network that was trained over several sites: everything about it is fitted anew here.

Another network shows other features. Reference, scales and quality model of the one before say nothing of it, so they
are fitted to what it shows on this site's own images, as `hospital-agent fit` does for a model from elsewhere.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.labelled import bundled, labelled_cases, load
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.phantoms import look_at_phantoms
from hospital_agent.federation.proposals import NETWORK, Proposal
from hospital_agent.federation.refitted import as_json, link_or_copy, version_of, with_federated_part, written
from hospital_agent.fitting import Fitted, directions_of, find_inputs, fit, look_at
from hospital_agent.model_folder import FITTED, QUALITY, load_model
from hospital_agent.settings import Settings
from hospital_agent.toolkit import toolkit_around

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.training.refinement_cases import RefinementCase

Say = Callable[[str], None]
HELD_OUT = "images of this site that the training held out"
PHANTOMS = "analytic phantoms, which are no patients"


@dataclass(frozen=True)
class NetworkComparison:
    """Two networks on the same cases.

    Args:
        on: what the cases are.
        cases: how many.
        dice_before, dice_after: means over the cases, in [0, 1].
    """

    on: str
    cases: int
    dice_before: float
    dice_after: float

    @property
    def objection(self) -> str | None:
        """Why the proposed network should not be put to use without a second thought; None without a reason."""
        if self.dice_after < self.dice_before:
            return "masks of the proposed network have a lower Dice on these cases than those of the one in use"
        return None


def refit_network(settings: Settings, base: Path, out: Path, chosen: Proposal, say: Say) -> str:
    """Write the folder, whole or not at all; returns its hash.

    Args:
        out: must not exist yet.

    Raises:
        NoData: the site has no images to fit to.
        TooFewCases: they are of fewer than two patients.
        SettingsError: the network is not the one of the card.
    """
    if settings.federation_images is None:
        raise NoData("A new network is fitted to images of this site: set AGENT_FEDERATION_IMAGES.")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copytree(base, partial, copy_function=link_or_copy)
    written(partial / NETWORK, chosen.checked(NETWORK))
    manifest: dict[str, Any] = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
    manifest["version"] = version_of(manifest["version"], chosen.run)
    _write_manifest(partial, manifest, (NETWORK,))
    loaded = load(partial, settings)
    toolkit = toolkit_around(
        bundled(loaded), loaded.backend, loaded.version, lungs=settings.lungs, modality=loaded.modality
    )
    inputs = find_inputs(settings.federation_images, settings.federation_references)
    fitted = fit(look_at(inputs, toolkit, say), directions_of(toolkit), version=loaded.version, say=say)
    _put(partial, fitted, frozenset(load_model(base, with_network=False).ood))
    manifest["files"] = {name: digest for name, digest in manifest["files"].items() if name != QUALITY}
    kept = (NETWORK, *FITTED, *([QUALITY] if fitted.quality is not None else []))
    manifest["made_from"] = {**manifest["made_from"], "base": hash_of(base), "federated": [dict(chosen.card)]}
    _write_manifest(partial, manifest, kept)
    written(partial / "MODEL_CARD.md", with_federated_part(base, [chosen]).encode())
    load_model(partial, with_network=False)
    partial.rename(out)
    return hash_of(out)


def compare_networks(settings: Settings, before: Path, after: Path, say: Say) -> NetworkComparison:
    """Mean Dice of both on the images that the site's training held out; without any on phantoms."""
    try:
        loaded = [load(folder, settings) for folder in (before, after)]
        segmenters = [bundled(one) for one in loaded]
        held_out = labelled_cases(settings, loaded[0], segmenters[0].classes, say).held_out
        pairs = [[_dice(one, case) for one in segmenters] for case in held_out]
        on = HELD_OUT
    except NoData:
        seen = [look_at_phantoms(settings, folder) for folder in (before, after)]
        pairs = [[one.dice, other.dice] for one, other in zip(*seen, strict=True)]
        on = PHANTOMS
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    if not known:
        raise NoData("This site has nothing to compare two networks on.")
    first, second = (float(np.mean(column)) for column in zip(*known, strict=True))
    return NetworkComparison(on, len(known), first, second)


def _dice(segmenter: "BundledSegmenter", case: "RefinementCase") -> float | None:
    """Mean over labels, as the training judges."""
    found, truth = segmenter.segment(case.volume).label_map, np.asarray(case.labels)
    each = [dice(found == label, truth == label) for label in range(1, segmenter.classes)]
    known = [value for value in each if value is not None]
    return float(np.mean(known)) if known else None


def _put(folder: Path, fitted: Fitted, wanted: frozenset[str]) -> None:
    """The fitted scores that the base has, and all scales; a quality model where it could be fitted."""
    from safetensors.numpy import save

    state = {
        f"{name}.{key}": np.ascontiguousarray(array)
        for name, score in fitted.ood.items()
        if name in wanted
        for key, array in score.state().items()
    }
    written(folder / FITTED[0], save(state))
    ranges = {name: one for name, one in fitted.ranges.items() if name in wanted or name not in fitted.ood}
    written(folder / FITTED[1], as_json({name: [r.low, r.median, r.high] for name, r in ranges.items()}))
    (folder / QUALITY).unlink(missing_ok=True)
    if fitted.quality is not None:
        written(folder / QUALITY, as_json({"kind": fitted.quality_kind, "model": fitted.quality.to_json()}))


def _write_manifest(folder: Path, manifest: dict[str, Any], parts: tuple[str, ...]) -> None:
    manifest["files"] |= {part: sha256((folder / part).read_bytes()).hexdigest() for part in parts}
    written(folder / "manifest.json", as_json(manifest))
