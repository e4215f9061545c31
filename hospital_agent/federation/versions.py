"""From a proposal to what is in use, and back: always by a person, after a look at this site's own cases."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hospital_agent.federation.autoencoders import kind_in, looks_at, scores_on
from hospital_agent.federation.compare import Comparison, compare
from hospital_agent.federation.fitted_here import Say
from hospital_agent.federation.in_use import FOLDER, Change, model_in_use, record, versions
from hospital_agent.federation.looked_at import LookedAt, look_at_images
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.phantoms import look_at_phantoms
from hospital_agent.federation.proposals import NETWORK, Proposal, proposal
from hospital_agent.federation.refitted import partial_of, refit
from hospital_agent.federation.refitted_autoencoder import (
    AutoencoderComparison,
    compare_autoencoders,
    lost_quality_model,
    refit_autoencoders,
)
from hospital_agent.federation.refitted_network import PHANTOMS, NetworkComparison, compare_networks, refit_network
from hospital_agent.model_folder import SHIPPED_MODEL, quality_inputs
from hospital_agent.settings import Settings
from shared.clock import Clock, rfc3339, utc_now
from shared.errors import SettingsError

OWN_CASES = "images of this site with a reference mask"
MIXED = "the quality model in it was fitted on distances from another reference than the one in it"


@dataclass(frozen=True)
class Prepared:
    """A version that could be put to use.

    Args:
        change: the line of the history that would do it.
        comparison: with the version in use; None where the proposal holds a quality model alone.
        objection: why to think twice, or None.
    """

    change: Change
    comparison: Comparison | NetworkComparison | AutoencoderComparison | None
    objection: str | None


def prepare(
    settings: Settings, run: str, clock: Clock = utc_now, say: Say = lambda _: None, *, tune: int = 0
) -> Prepared:
    """Make the version of a proposal and compare it with the one in use; nothing is put to use.

    Args:
        run: its id, or how that begins.
        tune: steps that a proposed network is trained on at this site first; 0 for none.

    Raises:
        SettingsError: there is no such proposal, it is for another model, damaged, in use already, holds no network to
            train on, or the network was worse afterwards.
        NoData: the site has nothing to fit it to, or nobody to train on with.
    """
    base = settings.model_dir or SHIPPED_MODEL
    chosen = proposal(settings, run)
    if chosen.model != hash_of(base):
        raise SettingsError("This proposal was made for another model than the one in AGENT_MODEL_DIR.")
    stack = versions(settings)
    if tune and NETWORK not in chosen.card["files"]:
        raise SettingsError("This proposal holds no network that could be trained on.")
    runs = _with(settings, stack[-1].runs if stack else (), chosen, say)
    parts = [proposal(settings, one) for one in runs]
    name = "-".join(part.run[:12] for part in parts) + (f"-tuned{tune}" if tune else "")
    if stack and stack[-1].folder == name:
        raise SettingsError("This proposal is in use already.")
    out = settings.federation_dir / FOLDER / name
    if not out.is_dir():
        _make(settings, base, out, parts, say, tune)
    change = Change(rfc3339(clock()), "accept", hash_of(base), runs, hash_of(out), name)
    return Prepared(change, *_compared(settings, chosen, parts, stack[-1].runs if stack else (), out, say))


def _make(settings: Settings, base: Path, out: Path, parts: Sequence[Proposal], say: Say, tune: int) -> None:
    try:
        _fit(settings, base, out, parts, say, tune)
    except BaseException:
        shutil.rmtree(partial_of(out), ignore_errors=True)  # it may be as large as the model
        raise


def _fit(settings: Settings, base: Path, out: Path, parts: Sequence[Proposal], say: Say, tune: int) -> None:
    if NETWORK in parts[-1].card["files"]:
        refit_network(settings, base, out, parts[-1], say, tune)
    elif any(_autoencoder(part) for part in parts):
        refit_autoencoders(settings, base, out, parts, say)
    else:
        refit(base, out, parts)


def _compared(
    settings: Settings, chosen: Proposal, parts: Sequence[Proposal], earlier: Sequence[str], out: Path, say: Say
) -> tuple[Comparison | NetworkComparison | AutoencoderComparison | None, str | None]:
    """The version with what is in use, and why to think twice."""
    before, inside = model_in_use(settings) or SHIPPED_MODEL, chosen.own_patients()
    if NETWORK in chosen.card["files"]:
        networks = compare_networks(settings, before, out, inside, say)
        return networks, networks.objection
    kind = _autoencoder(chosen)
    if kind is not None:
        autoencoders = compare_autoencoders(settings, kind, before, out, inside, say)
        return autoencoders, autoencoders.objection or lost_quality_model(before, out)
    kinds = {_part(part).partition(" ")[0] for part in parts}
    mixed = MIXED if {"reference", "quality"} <= kinds else None
    if chosen.reference() is None:
        return None, mixed
    comparison = _distances(settings, before, out, chosen, [proposal(settings, run) for run in earlier])
    return comparison, comparison.objection or mixed


def accept(settings: Settings, prepared: Prepared) -> None:
    """Put a prepared version to use: from the next start of the agent on."""
    record(settings, prepared.change)


def roll_back(settings: Settings, clock: Clock = utc_now) -> Change:
    """Return to the version before the one in use, which may be the base.

    Raises:
        SettingsError: the base is in use.
    """
    stack = versions(settings)
    if not stack:
        raise SettingsError("The model of AGENT_MODEL_DIR is in use; there is nothing to return from.")
    base = stack[-1].base
    before = stack[-2] if len(stack) > 1 else Change("", "", base, (), base, "")
    change = Change(rfc3339(clock()), "roll_back", base, before.runs, before.model, before.folder)
    record(settings, change)
    return change


def _with(settings: Settings, runs: Sequence[str], chosen: Proposal, say: Say) -> tuple[str, ...]:
    """The runs of a version with one more proposal, in whose favour those of the same part go."""
    others, kind = [proposal(settings, run) for run in runs], _autoencoder(chosen)
    if NETWORK in chosen.card["files"]:
        return (chosen.run,)
    if any(NETWORK in one.card["files"] for one in others):
        raise SettingsError("This proposal was fitted to the network before the one in use; roll back first.")
    if any(_hangs_on(chosen, there) for one in others if (there := _autoencoder(one)) is not None):
        raise SettingsError("This proposal was fitted to the autoencoder before the one in use; roll back first.")
    stale = [one for one in others if kind is not None and _hangs_on(one, kind)]
    for one in stale:
        say(f"{one.run[:12]} ({_part(one)}) is left out: it was fitted to the autoencoder before")
    kept = [one for one in others if one not in stale and _part(one) != _part(chosen)]
    return (*(one.run for one in kept), chosen.run)


def _autoencoder(one: Proposal) -> str | None:
    return kind_in(one.card["files"])


def _hangs_on(one: Proposal, kind: str) -> bool:
    """Whether a reference, or a quality model, was fitted to what an autoencoder of this kind showed."""
    scores, quality = scores_on(kind), one.quality()
    return one.card.get("score") in scores or (quality is not None and looks_at(quality_inputs(quality), scores))


def _part(one: Proposal) -> str:
    kind = _autoencoder(one)
    if kind is not None:
        return kind
    return f"reference of {one.card['score']}" if "score" in one.card else "quality model"


def _distances(
    settings: Settings, before: Path, after: Path, chosen: Proposal, earlier: Sequence[Proposal]
) -> Comparison:
    score = str(chosen.card["score"])
    # the values of a case are those under the autoencoder in use, where it is not the base's
    shown_by = before if any(_autoencoder(one) for one in earlier) else settings.model_dir or SHIPPED_MODEL
    cases, on = _cases(settings, shown_by)
    own = on == OWN_CASES
    old = next((one for one in earlier if _part(one) == _part(chosen)), None)
    nobody = frozenset[str]()
    inside = [one.own_patients() if own and one is not None else nobody for one in (old, chosen)]
    return compare(before, after, score, cases, on, (inside[0], inside[1]))


def _cases(settings: Settings, model: Path) -> tuple[list[LookedAt], str]:
    if settings.federation_references is not None and settings.federation_images is not None:
        known = [case for case in look_at_images(settings, model) if case.dice is not None]
        if known:
            return known, OWN_CASES
    return look_at_phantoms(settings, model), PHANTOMS
