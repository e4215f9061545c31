"""A model folder around a network that was trained over several sites: everything about it is fitted anew here.

Another network shows other features. Reference, scales and quality model of the one before say nothing of it, so they
are fitted to what it shows on this site's own images, as `hospital-agent fit` does for a model from elsewhere.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.autoencoder_files import AUTOENCODER_FILES
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.autoencoders import ACTIVATIONS, WEIGHTS, scores_on
from hospital_agent.federation.fitted_here import Say, put_fences, put_fitted, shown_by
from hospital_agent.federation.labelled import bundled, labelled_cases, load
from hospital_agent.federation.phantoms import look_at_phantoms
from hospital_agent.federation.proposals import NETWORK, Proposal
from hospital_agent.federation.refitted import begun, finished, with_federated_part, write_manifest, written
from hospital_agent.federation.tuned import trained_on
from hospital_agent.fitting import fit
from hospital_agent.mask_autoencoder_files import DESCRIPTION
from hospital_agent.model_folder import load_model
from hospital_agent.model_manifest import FITTED, QUALITY
from hospital_agent.settings import Settings

if TYPE_CHECKING:
    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.training.refinement_cases import RefinementCase

HELD_OUT = "images of this site's patients from whom the training did not learn"
PHANTOMS = "analytic phantoms, which are no patients"
TUNED = """
The network was then trained on for {steps} steps with images of this site alone, by those patients who had taught it.
"""


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


def refit_network(settings: Settings, base: Path, out: Path, chosen: Proposal, say: Say, tune: int = 0) -> str:
    """Write the folder, whole or not at all; returns its hash.

    An activation autoencoder knows the features of the network before and is left out, with the scores that need it.
    What a mask autoencoder calls unusual is asked anew, of the masks that this network makes.

    Args:
        out: must not exist yet.
        tune: steps that the network is trained on here first (`tuned`); 0 for none.

    Raises:
        NoData: the site has no images to fit to, or nobody to train on with.
        TooFewCases: they are of fewer than two patients.
        SettingsError: the network is not the one of the card, or worse here after training on.
    """
    partial, manifest = begun(base, out, [chosen], f".tuned{tune}" if tune else "")
    wanted = frozenset(load_model(base, with_network=False).ood) - scores_on(ACTIVATIONS)
    written(partial / NETWORK, chosen.checked(NETWORK))
    for name in AUTOENCODER_FILES:
        (partial / name).unlink(missing_ok=True)
    write_manifest(partial, manifest, [NETWORK])
    if tune:
        written(partial / NETWORK, trained_on(settings, partial, chosen, tune, say))
        write_manifest(partial, manifest, [NETWORK])
    if WEIGHTS[ACTIVATIONS] in manifest["files"]:
        say("the activation autoencoder is left out: it knows the features of the network before")
    seen, directions = shown_by(settings, partial, say)
    fitted = fit(seen, directions, version=manifest["version"], say=say, only=wanted)
    put_fitted(partial, fitted)
    put_fences(partial, seen, say)
    changed = (NETWORK, *FITTED, QUALITY, DESCRIPTION)
    own = TUNED.format(steps=tune) if tune else ""
    return finished(partial, out, manifest, changed, with_federated_part(base, [chosen]) + own)


def compare_networks(
    settings: Settings, before: Path, after: Path, inside: Collection[str], say: Say
) -> NetworkComparison:
    """Mean Dice of both on the images of patients from whom the proposed network has not learnt; else on phantoms.

    Args:
        inside: pseudonyms of the patients from whom it has.
    """
    try:
        loaded = [load(folder, settings) for folder in (before, after)]
        segmenters = [bundled(one) for one in loaded]
        cases = labelled_cases(settings, loaded[0], segmenters[0].classes - 1, say)
        pairs = [[_dice(one, case) for one in segmenters] for case in cases if case.patient not in inside]
        on = HELD_OUT
    except NoData:
        pairs = []
    if not pairs:
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
