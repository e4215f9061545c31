"""From a proposal to what is in use, and back: always by a person, after a look at this site's own cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hospital_agent.federation.compare import Comparison, compare
from hospital_agent.federation.in_use import FOLDER, Change, model_in_use, record, versions
from hospital_agent.federation.looked_at import LookedAt, look_at_images
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.phantoms import look_at_phantoms
from hospital_agent.federation.proposals import NETWORK, Proposal, proposal
from hospital_agent.federation.refitted import refit
from hospital_agent.federation.refitted_network import PHANTOMS, NetworkComparison, Say, compare_networks, refit_network
from hospital_agent.model_folder import SHIPPED_MODEL
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
    comparison: Comparison | NetworkComparison | None
    objection: str | None


def prepare(settings: Settings, run: str, clock: Clock = utc_now, say: Say = lambda _: None) -> Prepared:
    """Make the version of a proposal and compare it with the one in use; nothing is put to use.

    Args:
        run: its id, or how that begins.

    Raises:
        SettingsError: there is no such proposal, it is for another model, damaged, or in use already.
    """
    base = settings.model_dir or SHIPPED_MODEL
    chosen = proposal(settings, run)
    if chosen.model != hash_of(base):
        raise SettingsError("This proposal was made for another model than the one in AGENT_MODEL_DIR.")
    stack = versions(settings)
    runs = _with(settings, stack[-1].runs if stack else (), chosen)
    if stack and stack[-1].runs == runs:
        raise SettingsError("This proposal is in use already.")
    parts = [proposal(settings, one) for one in runs]
    name = "-".join(part.run[:12] for part in parts)
    out = settings.federation_dir / FOLDER / name
    trained = NETWORK in chosen.card["files"]
    if not out.is_dir():
        refit_network(settings, base, out, chosen, say) if trained else refit(base, out, parts)
    change = Change(rfc3339(clock()), "accept", hash_of(base), runs, hash_of(out), name)
    if trained:
        networks = compare_networks(settings, model_in_use(settings) or SHIPPED_MODEL, out, say)
        return Prepared(change, networks, networks.objection)
    mixed = MIXED if len({_part(part).partition(" ")[0] for part in parts}) > 1 else None
    if chosen.reference() is None:
        return Prepared(change, None, mixed)
    earlier = [proposal(settings, one) for one in (stack[-1].runs if stack else ())]
    comparison = _compared(settings, base, out, chosen, earlier)
    return Prepared(change, comparison, comparison.objection or mixed)


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


def _with(settings: Settings, runs: Sequence[str], chosen: Proposal) -> tuple[str, ...]:
    """The runs of a version with one more proposal, in whose favour those of the same part go."""
    others = [proposal(settings, run) for run in runs]
    if NETWORK in chosen.card["files"]:
        return (chosen.run,)
    if any(NETWORK in one.card["files"] for one in others):
        raise SettingsError("This proposal was fitted to the network before the one in use; roll back first.")
    return (*(one.run for one in others if _part(one) != _part(chosen)), chosen.run)


def _part(one: Proposal) -> str:
    return f"reference of {one.card['score']}" if "score" in one.card else "quality model"


def _compared(settings: Settings, base: Path, after: Path, chosen: Proposal, earlier: Sequence[Proposal]) -> Comparison:
    score = str(chosen.card["score"])
    before = model_in_use(settings) or SHIPPED_MODEL
    cases, on = _cases(settings, base)
    own = on == OWN_CASES
    old = next((one for one in earlier if _part(one) == _part(chosen)), None)
    nobody = frozenset[str]()
    inside = [one.own_patients() if own and one is not None else nobody for one in (old, chosen)]
    return compare(before, after, score, cases, on, (inside[0], inside[1]))


def _cases(settings: Settings, base: Path) -> tuple[list[LookedAt], str]:
    if settings.federation_references is not None and settings.federation_images is not None:
        known = [case for case in look_at_images(settings, base) if case.dice is not None]
        if known:
            return known, OWN_CASES
    return look_at_phantoms(settings, base), PHANTOMS
