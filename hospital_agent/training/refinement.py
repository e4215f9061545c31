"""Semi-supervised refinement of a segmenter on the cases whose masks disagree with their reconstruction.

    segment all -> flag by the fences -> an epoch on the flagged cases and the annotated ones -> segment all -> ...

until nothing is flagged or K_semi epochs are over. A flagged case has no reference; its target is what the frozen mask
autoencoder makes of the current mask, and counts alpha = 1 / k in epoch k, since it becomes less of a guide the longer
it is followed. Annotated cases hold the network where it was right.

Source:
    QC autoencoder and refinement 2021, sec. 2.2, eq. 2. Differs: the annotated cases may be a site's reviewed masks,
    since the training set is not there; fences come from validation unless they are given otherwise; a part of the
    annotated patients is held out, and a result that is worse on them, or on unflagged cases, is refused.
"""

import copy
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import EverythingFlagged, NoAnnotatedCase, NothingFlagged, TooFewCases
from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.quality.candidates import BEST_COUNT
from hospital_agent.analysis.quality.label_fences import FenceSet, Grouping
from hospital_agent.analysis.quality.tukey import Fences
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.sliding_window import NOTHING
from hospital_agent.training.loop import descend
from hospital_agent.training.refinement_cases import (
    Labels,
    RefinementCase,
    beside,
    compared,
    in_task,
    look,
    places_of_flagged,
    refuse_what_is_worse,
)
from hospital_agent.training.refinement_table import Comparison
from hospital_agent.training.refinement_tiles import on_working_grid, tiles_of
from hospital_agent.training.segmenter import segmentation_loss

Say = Callable[[str], None]
FEWEST_ANNOTATED = 3  # patients: one to learn from and two to check on


@dataclass(frozen=True)
class RefinementPlan:
    """How a model is refined.

    Args:
        most_epochs: K_semi, >= 1.
        steps_a_case: optimiser steps for each flagged case in an epoch.
        batch: annotated tiles a step.
        patch: voxels of a tile, (Z, Y, X).
        learning_rate: of AdamW; small, since the network is trained already.
        held_out: share of the annotated patients that only check; at least two.
        importance: weight of each label 1..L in the loss to the reconstruction; all alike when None. The paper gives
            the right ventricle more.
        even_if_all: go on where every case is flagged.
        seed: of everything.
    """

    patch: Shape
    most_epochs: int = 5
    steps_a_case: int = 4
    batch: int = 2
    learning_rate: float = 2e-4
    held_out: float = 0.4
    importance: tuple[float, ...] | None = None
    even_if_all: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Refined:
    """A refined network, and what the refinement changed.

    Args:
        network: the refined copy; the model it was made from is unchanged.
        candidates: the network after each of the last epochs, `BEST_COUNT` at most and the last first: what candidate
            selection chooses from.
        epochs: how many were trained.
        flagged_before, flagged_after: names of the flagged cases; a mask that was emptied is one.
        held_out: the annotated patients who only checked; no other person with a mask is new to the network.
        table: every measure before and after.
    """

    network: nn.Module
    candidates: tuple[nn.Module, ...]
    epochs: int
    flagged_before: tuple[str, ...]
    flagged_after: tuple[str, ...]
    held_out: tuple[str, ...]
    table: tuple[Comparison, ...]


def refine(
    segmenter: NetworkSegmenter,
    autoencoder: MaskAutoencoder,
    unlabelled: Sequence[RefinementCase],
    annotated: Sequence[RefinementCase],
    fences: FenceSet | Fences,
    plan: RefinementPlan,
    say: Say = lambda _: None,
) -> Refined:
    """Refine a copy of the segmenter's network on the flagged cases, and refuse it where it is worse.

    Args:
        unlabelled: cases that are flagged or not.
        annotated: cases with a mask that a person made; a part of their patients is held out.
        fences: from when on a case is flagged: of the mean over labels, or of each label or view.

    Raises:
        NoAnnotatedCase, TooFewCases: no annotated case; annotated cases of fewer than three patients, or no other case.
        UnknownLabel: an annotation holds a label that the model does not know.
        NothingFlagged, EverythingFlagged: nothing to do; fences that flag every case.
        NotCompared: fewer than two annotated patients have a Dice before and after.
        WorseAfterwards: the interval of the paired difference lies below 0 for the Dice of held-out annotated cases or
            for the pDC of unflagged ones.
        TrainingDiverged: the loss is not finite.
    """
    made = attempt(segmenter, autoencoder, unlabelled, annotated, fences, plan, say)
    refuse_what_is_worse(made.table)
    return made


def attempt(
    segmenter: NetworkSegmenter,
    autoencoder: MaskAutoencoder,
    unlabelled: Sequence[RefinementCase],
    annotated: Sequence[RefinementCase],
    fences: FenceSet | Fences,
    plan: RefinementPlan,
    say: Say = lambda _: None,
) -> Refined:
    """Refine a copy of the segmenter's network, and compare it with the original, whatever comes of it.

    Raises:
        NoAnnotatedCase, TooFewCases, UnknownLabel, NothingFlagged, EverythingFlagged, TrainingDiverged: as `refine`.
    """
    refuse_no_images(unlabelled)
    marked = [case for case in annotated if case.labels is not None and case.labels.any()]
    known = in_task(marked, segmenter.classes - 1)
    learnt, checked = _split(known, plan)
    before = [look(segmenter, autoencoder, case) for case in unlabelled]
    chosen = places_of_flagged(before, fences)
    _refuse_to_begin(len(chosen), len(unlabelled), plan)
    by: Grouping = "mean" if isinstance(fences, Fences) else fences.by
    checked_before = [look(segmenter, autoencoder, case) for case in checked]
    refined = with_network(segmenter, copy.deepcopy(segmenter.network))
    now, left, epoch = before, chosen, 0
    after_epochs: deque[nn.Module] = deque(maxlen=BEST_COUNT)
    for epoch in range(1, plan.most_epochs + 1):
        targets = [(unlabelled[place], now[place].reconstructed) for place in left]
        _train_epoch(refined, targets, learnt, plan, epoch)
        after_epochs.appendleft(copy.deepcopy(refined.network))
        now = beside(before, [look(refined, autoencoder, case) for case in unlabelled], by)
        left = places_of_flagged(now, fences)
        say(f"epoch {epoch}: {len(left)} of {len(unlabelled)} cases are flagged")
        if not left:
            break
    table = compared(
        "annotated", checked, checked_before, [look(refined, autoencoder, case) for case in checked], plan.seed
    )
    for name, places in (("flagged", chosen), ("unflagged", [i for i in range(len(now)) if i not in chosen])):
        old, new = ([some[place] for place in places] for some in (before, now))
        table += compared(name, [unlabelled[place] for place in places], old, new, plan.seed)
    first, last = (tuple(unlabelled[place].name for place in places) for places in (chosen, left))
    patients = tuple(sorted({case.patient for case in checked}))
    return Refined(refined.network, tuple(after_epochs), epoch, first, last, patients, tuple(table))


def weighted_generalised_dice(logits: Tensor, target: Tensor, importance: Sequence[float] | None = None) -> Tensor:
    """1 - generalised Dice of the labels, background left out, each weighted by importance / volume squared.

    A label that the target does not hold has the largest weight of those it does, so that it is driven out.

    Args:
        logits: (B, 1 + L, Z, Y, X).
        target: (B, Z, Y, X) labels.

    Source: Sudre et al. 2017, eq. 2, over the batch; the importance is the refinement paper's weight of a label.
    """
    count = logits.shape[1] - 1
    found = torch.softmax(logits, dim=1)[:, 1:]
    hot = torch.stack([target == number for number in range(1, count + 1)], dim=1).to(found)
    axes = (0, 2, 3, 4)
    volumes = hot.sum(dim=axes)
    weights = torch.where(volumes > 0, volumes.clamp(min=1) ** -2.0, torch.zeros_like(volumes))
    weights = torch.where(volumes > 0, weights, weights.max())
    if importance is not None:
        weights = weights * torch.tensor(importance).to(weights)
    overlap = (weights * (found * hot).sum(dim=axes)).sum()
    sizes = (weights * (found + hot).sum(dim=axes)).sum()
    return 1 - 2 * overlap / sizes.clamp(min=1e-12) if bool(volumes.any()) else found.mean()


def refuse_no_images(unlabelled: Sequence[RefinementCase]) -> None:
    """Say that there is nothing to look at, which is not the same as that nothing is flagged.

    Raises:
        TooFewCases: there is no case.
    """
    if not unlabelled:
        raise TooFewCases(
            "There is no image to refine on: none could be read, or all are of patients who have a mask already."
        )


def _split(known: Sequence[RefinementCase], plan: RefinementPlan) -> tuple[list[RefinementCase], list[RefinementCase]]:
    """Annotated cases to learn from, and to check on."""
    patients = sorted({case.patient for case in known})
    if not patients:
        raise NoAnnotatedCase(
            "Refinement needs annotated cases: without them nothing holds the network where it was right."
        )
    if len(patients) < FEWEST_ANNOTATED:
        raise TooFewCases(
            f"Refinement needs annotated cases of at least {FEWEST_ANNOTATED} patients, one to learn from and two to "
            f"check on, and there are {len(patients)}."
        )
    count = min(max(2, round(plan.held_out * len(patients))), len(patients) - 1)
    chosen = set(np.random.default_rng(plan.seed).permutation(patients)[:count].tolist())
    return [case for case in known if case.patient not in chosen], [case for case in known if case.patient in chosen]


def _refuse_to_begin(flagged: int, of: int, plan: RefinementPlan) -> None:
    if flagged == 0:
        raise NothingFlagged("No case is flagged: every mask agrees with its reconstruction, and nothing is refined.")
    if flagged == of and not plan.even_if_all:
        raise EverythingFlagged(
            f"All {of} cases are flagged: fences that flag every case tell none apart, and reconstructions of masks "
            "that are all wrong are no guide."
        )


def with_network(segmenter: NetworkSegmenter, network: nn.Module) -> NetworkSegmenter:
    """A segmenter with another network of the same task; scores look at none of its layers."""
    return NetworkSegmenter(
        network.eval(),
        segmenter.grid,
        keep=NOTHING,
        classes=segmenter.classes,
        backend=segmenter.backend,
        version=f"{segmenter.version}-refined",
        model_hash="none",
        device=segmenter.device.type,
    )


def _train_epoch(
    refined: NetworkSegmenter,
    flagged: Sequence[tuple[RefinementCase, Labels]],
    learnt: Sequence[RefinementCase],
    plan: RefinementPlan,
    epoch: int,
) -> None:
    """Steps on flagged cases, whose target is their reconstruction and counts 1 / epoch, and on annotated ones."""
    network, grid, classes = refined.network, refined.grid, refined.classes
    rng = np.random.default_rng([plan.seed, epoch])
    torch.manual_seed(int(rng.integers(2**31)))
    pseudo = [on_working_grid(case.volume, target, grid, classes) for case, target in flagged]
    known = [on_working_grid(case.volume, case.labels, grid, classes) for case in learnt if case.labels is not None]
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate)
    network.train()
    for place in rng.permutation(np.repeat(np.arange(len(pseudo)), plan.steps_a_case)):
        image, target = tiles_of([pseudo[int(place)]], grid, plan.patch, rng, refined.device)
        drawn = [known[int(number)] for number in rng.integers(len(known), size=plan.batch)]
        supervised = segmentation_loss(network, tiles_of(drawn, grid, plan.patch, rng, refined.device))
        loss = weighted_generalised_dice(network(image).float(), target, plan.importance) / epoch + supervised
        descend(network, optimiser, loss, f"in epoch {epoch} of the refinement")
    network.eval()
