"""A model folder with an autoencoder that was trained over several sites: what hangs on it is fitted anew here.

The network is the same, so references and scales that look at the network alone stay. A score that needs the
autoencoder is another number with another one: its reference and its scale, the fences of masks, and a quality model
that looks at one of these are fitted to this site's own images, or left out. Nothing of the autoencoder before
remains.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.federation.asked import NoData
from hospital_agent.federation.autoencoders import (
    ACTIVATIONS,
    MASKS,
    WEIGHTS,
    activation_autoencoder_in,
    host_in,
    images_of,
    kind_in,
    looks_at,
    mask_autoencoder_in,
    masks_of,
    scores_on,
)
from hospital_agent.federation.fitted_here import Say, put_fences, put_fitted, shown_by
from hospital_agent.federation.labelled import labelled_cases, load
from hospital_agent.federation.phantoms import COUNT, phantom
from hospital_agent.federation.proposals import Proposal
from hospital_agent.federation.refitted import begun, finished, put, with_federated_part, write_manifest, written
from hospital_agent.fitting import Fitted, Kept, fit
from hospital_agent.mask_autoencoder_files import DESCRIPTION
from hospital_agent.model_folder import LoadedModel, load_model
from hospital_agent.model_manifest import FITTED, QUALITY
from hospital_agent.settings import Settings

if TYPE_CHECKING:
    from hospital_agent.training.mask_autoencoder import ReferenceMask

OWN_MASKS = "reference masks of this site's patients from whom the training did not learn"
OWN_IMAGES = "images of this site's patients from whom the training did not learn"
PHANTOM_MASKS = "masks of analytic phantoms, which are no patients"
NOTHING = "nothing: this site has no case that can judge two autoencoders"


@dataclass(frozen=True)
class AutoencoderComparison:
    """Two autoencoders on the same cases.

    Args:
        kind: which of the two.
        on: what the cases are.
        cases: how many.
        before, after: means over the cases, in [0, 1], higher is better: the Dice of masks and what comes back, or how
            much of the network's answer is preserved (1 / (1 + loss)). None without a case.
    """

    kind: str
    on: str
    cases: int
    before: float | None
    after: float | None

    @property
    def objection(self) -> str | None:
        """Why the proposed autoencoder should not be put to use without a second thought; None without a reason."""
        if self.before is None or self.after is None:
            return "this site has nothing to compare two autoencoders on"
        if self.after < self.before:
            return "the proposed autoencoder gives these cases back less well than the one in use"
        return None


def refit_autoencoders(settings: Settings, base: Path, out: Path, chosen: Sequence[Proposal], say: Say) -> str:
    """Write the folder, whole or not at all; returns its hash.

    Args:
        out: must not exist yet.
        chosen: at least one autoencoder, and what else is in the version.

    Raises:
        NoData: the site has no images to fit to.
        TooFewCases: they are of fewer than two patients.
        SettingsError: a proposal's file is not the one of its card.
    """
    partial, manifest = begun(base, out, chosen)
    for one in chosen:
        put(partial, one)
    kinds = [kind for one in chosen if (kind := kind_in(one.card["files"])) is not None]
    for kind in kinds:
        (proposed,) = [one for one in chosen if WEIGHTS[kind] in one.card["files"]]
        written(partial / WEIGHTS[kind], proposed.checked(WEIGHTS[kind]))
    changed = (*(WEIGHTS[kind] for kind in kinds), *FITTED, QUALITY, DESCRIPTION)
    write_manifest(partial, manifest, changed)
    before = load_model(partial, with_network=False)
    seen, directions = shown_by(settings, partial, say)
    hanging = frozenset[str]().union(*map(scores_on, kinds))
    fitted = fit(
        seen, directions, version=manifest["version"], say=say, only=hanging.intersection(before.ood),
        kept=_without(before, hanging),
    )  # fmt: skip
    kept_quality = (partial / QUALITY).read_bytes() if _stays(before, hanging) else None
    put_fitted(partial, fitted if before.quality is not None else replace(fitted, quality=None))
    if kept_quality is not None:
        written(partial / QUALITY, kept_quality)
    if MASKS in kinds:
        put_fences(partial, seen, say)
    card = with_federated_part(base, chosen) + _fitted_part(kinds, hanging, fitted, before)
    return finished(partial, out, manifest, changed, card)


def compare_autoencoders(
    settings: Settings, kind: str, before: Path, after: Path, inside: Collection[str], say: Say
) -> AutoencoderComparison:
    """How well both give back what the proposed one has not learnt from; masks of phantoms where there are no others.

    Args:
        inside: pseudonyms of the patients from whom the proposed one has learnt.
    """
    if kind == ACTIVATIONS:
        on, pairs = OWN_IMAGES, _preserved(settings, before, after, inside, say)
    else:
        on, pairs = _reconstructed(settings, before, after, inside, say)
    if not pairs:
        return AutoencoderComparison(kind, NOTHING, 0, None, None)
    first, second = (float(np.mean(column)) for column in zip(*pairs, strict=True))
    return AutoencoderComparison(kind, on, len(pairs), first, second)


def lost_quality_model(before: Path, after: Path) -> str | None:
    """A sentence where a version has no quality model and the one before has one."""
    with_one = [load_model(folder, with_network=False).quality is not None for folder in (before, after)]
    if with_one != [True, False]:
        return None
    return "the quality model looked at the autoencoder before, and this site has too few cases to fit another"


def _without(before: LoadedModel, hanging: Collection[str]) -> Kept:
    return Kept(
        {name: score for name, score in before.ood.items() if name not in hanging},
        {name: scale for name, scale in before.validation.items() if name not in hanging},
    )


def _stays(before: LoadedModel, hanging: Collection[str]) -> bool:
    return before.quality is not None and not looks_at(before.quality.inputs, hanging)


def _preserved(
    settings: Settings, before: Path, after: Path, inside: Collection[str], say: Say
) -> list[tuple[float, float]]:
    from hospital_agent.fitted_autoencoder import inner_of
    from hospital_agent.training.local_autoencoders import preserved

    loaded = load(before, settings)
    try:
        found = images_of(settings, loaded, say)
    except NoData:
        return []
    images = [one.image for one in found if one.patient not in inside]
    segmenter = inner_of(host_in(loaded))
    each = [preserved(segmenter, activation_autoencoder_in(folder), images) for folder in (before, after)]
    return list(zip(*each, strict=True))


def _reconstructed(
    settings: Settings, before: Path, after: Path, inside: Collection[str], say: Say
) -> tuple[str, list[tuple[float, float]]]:
    from hospital_agent.training.local_autoencoders import mask_dice

    loaded = load_model(before, with_network=False)
    networks = [mask_autoencoder_in(folder).network for folder in (before, after)]
    label_count, on = networks[0].shape.label_count, OWN_MASKS
    try:
        cases = labelled_cases(settings, loaded, label_count, say)
        masks = masks_of([case for case in cases if case.patient not in inside])
    except NoData:
        masks = []
    if not masks and label_count == 1 and loaded.modality == "CT":
        on, masks = PHANTOM_MASKS, _phantom_masks()
    return on, list(zip(*(mask_dice(network, masks) for network in networks), strict=True))


def _phantom_masks() -> "list[ReferenceMask]":
    from hospital_agent.training.mask_autoencoder import ReferenceMask

    drawn = [phantom(number) for number in range(COUNT)]
    return [
        ReferenceMask(one.truth.astype(np.uint8), one.volume.spacing_mm, f"phantom-{number}")
        for number, one in enumerate(drawn)
        if one.truth.any()
    ]


def _fitted_part(kinds: Sequence[str], hanging: frozenset[str], fitted: Fitted, before: LoadedModel) -> str:
    """What of the folder was fitted here, for the model card."""
    names = " and the ".join(kind.replace("_", " ") for kind in kinds)
    wanted = hanging.intersection(before.ood)
    told = ", ".join(f"`{name}`" for name in sorted(wanted & set(fitted.ood))) or "none"
    lost = "".join(f", not `{name}`" for name in sorted(wanted - set(fitted.ood)))
    quality = "was fitted here too"
    if before.quality is None or _stays(before, hanging):
        quality = "looks at none of them and stayed"
    elif fitted.quality is None:
        quality = "looked at them and is gone: too few cases here to fit another"
    sentences = (
        f"Scores that hang on the {names} were fitted anew with it, to {len(fitted.seen)} images of "
        f"{fitted.patient_count} patients of this site: {told}{lost}. Some of these patients have taught it, so a new "
        f"patient lies a little farther away than the scale says. The quality model, if there is one, {quality}."
    )
    return f"\n{fill(sentences, 120, break_on_hyphens=False)}\n"
