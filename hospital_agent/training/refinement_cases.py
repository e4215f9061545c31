"""A case of a refinement: the image, what a network says of it, and what changed between two networks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import NotCompared, WorseAfterwards
from hospital_agent.analysis.imaging.slices import slices_of
from hospital_agent.analysis.imaging.task_labels import task_labels
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.metrics.surface import surface_distances
from hospital_agent.analysis.quality.label_fences import CaseMeasures, FenceSet, Grouping
from hospital_agent.analysis.quality.tukey import Fences, PseudoMeasures
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM
from hospital_agent.analysis.segmentation.selected import case_measures
from hospital_agent.training.refinement_table import FEWEST_PATIENTS, Comparison, comparison

Labels = NDArray[np.uint8]
WORST = PseudoMeasures(0.0, FARTHEST_MM)  # of what agrees with nothing


@dataclass(frozen=True, eq=False)
class RefinementCase:
    """An image of the site, with a mask that a person made or without.

    Args:
        labels: (Z, Y, X) uint8 on the volume's grid, or None.
    """

    name: str
    patient: str
    volume: Volume
    labels: Labels | None = None


def in_task(cases: Sequence[RefinementCase], label_count: int) -> list[RefinementCase]:
    """The cases with the labels of the task; with one label, whatever is marked is that label.

    Raises:
        UnknownLabel: an annotation holds a label above those of the task, which would count as background.
    """
    return [
        case if case.labels is None else replace(case, labels=task_labels(case.labels, label_count)) for case in cases
    ]


@dataclass(frozen=True, eq=False)
class Looked:
    """What one network says of a case.

    Args:
        measures: how its mask agrees with the reconstruction.
        reconstructed: (Z, Y, X) labels on the volume's grid; empty where nothing could be reconstructed.
        dice, hausdorff_mm: against the annotation, means over the labels that have one; None without annotation. A
            label that only one of mask and annotation holds has Dice 0 and `FARTHEST_MM`.
        emptied: whether the mask held something before, and neither it nor its reconstruction does now.
        lost: labels that the reconstruction held before, and neither mask nor reconstruction does now; looked for
            where each label has fences of its own.
    """

    measures: CaseMeasures
    reconstructed: Labels
    dice: float | None
    hausdorff_mm: float | None
    emptied: bool = False
    lost: frozenset[int] = frozenset()

    @property
    def pseudo(self) -> PseudoMeasures:
        """The means over the labels that are there."""
        return self.measures.mean


def look(segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, case: RefinementCase) -> Looked:
    """Segment a case, reconstruct its mask, and compare it with the annotation where there is one."""
    segmenter.network.eval()
    return looked_at(autoencoder.attached(segmenter.segment(case.volume), case.volume.spacing_mm), autoencoder, case)


def looked_at(found: Segmentation, autoencoder: MaskAutoencoder, case: RefinementCase) -> Looked:
    """What a segmentation says of a case: its mask against its reconstruction, and the annotation where there is one.

    Args:
        found: with its reconstruction; see `MaskAutoencoder.attached`.
    """
    count, labels = autoencoder.shape.label_count, found.label_map
    again = None if found.reconstructed is None else found.reconstructed.labels
    overlaps: list[float] = []
    distances: list[float] = []
    if case.labels is not None:
        for number in range(1, count + 1):
            own, truth = np.equal(labels, number), np.equal(case.labels, number)
            overlap = dice(own, truth)
            if overlap is None:
                continue
            overlaps.append(overlap)
            apart = surface_distances(own, truth, case.volume.spacing_mm)
            distances.append(FARTHEST_MM if apart is None else min(apart.hausdorff_mm, FARTHEST_MM))
    return Looked(
        case_measures(found, count, slices_of(case.volume)),
        np.zeros_like(labels) if again is None else again,
        float(np.mean(overlaps)) if overlaps else None,
        float(np.mean(distances)) if distances else None,
    )


def beside(before: Sequence[Looked], after: Sequence[Looked], by: Grouping = "mean") -> list[Looked]:
    """What a network says, beside what another one said of the same cases: a mask that was emptied agrees with nothing.

    Nothing segmented and nothing reconstructed has no pDC, and what has none is not flagged. A network could so pass by
    segmenting nothing at all. Where there was a pDC before, none now counts as pDC 0 and pHD `FARTHEST_MM`, and the
    case stays flagged; what guides it is the reconstruction from before. Where labels are judged one by one, the same
    holds for each label that the reconstruction held; one that the mask alone held was to go.

    Args:
        by: what has fences of its own.
    """
    return [_beside(old, new, by) for old, new in zip(before, after, strict=True)]


def _beside(old: Looked, new: Looked, by: Grouping) -> Looked:
    if old.pseudo.pdc is not None and new.pseudo.pdc is None:
        return replace(new, measures=replace(new.measures, mean=WORST), reconstructed=old.reconstructed, emptied=True)
    if by != "label":
        return new
    own = new.measures.by_label
    lost = frozenset(label for label in own if own[label].pdc is None and np.equal(old.reconstructed, label).any())
    if not lost:
        return new
    labels = {label: WORST if label in lost else measures for label, measures in own.items()}
    measures = replace(new.measures, by_label=labels)
    return replace(new, measures=measures, reconstructed=old.reconstructed, lost=lost)


def places_of_flagged(looked: Sequence[Looked], fences: FenceSet | Fences) -> list[int]:
    """The places of the cases whose mask disagrees with its reconstruction, or was emptied, or lost a label.

    Args:
        fences: of the mean over labels, or of groups.
    """
    limits = FenceSet.of_mean(fences) if isinstance(fences, Fences) else fences
    return [place for place, one in enumerate(looked) if one.emptied or one.lost or limits.flags(one.measures)]


_WITHOUT_TRUTH: tuple[tuple[str, bool, Callable[[Looked], float | None]], ...] = (
    ("pdc", True, lambda one: one.pseudo.pdc),
    ("phd_mm", False, lambda one: one.pseudo.phd_mm),
)
_WITH_TRUTH: tuple[tuple[str, bool, Callable[[Looked], float | None]], ...] = (
    ("dice", True, lambda one: one.dice),
    ("hausdorff_mm", False, lambda one: one.hausdorff_mm),
)


def compared(
    name: str, cases: Sequence[RefinementCase], before: Sequence[Looked], after: Sequence[Looked], seed: int
) -> list[Comparison]:
    """Every measure of a group of cases before and after: against annotations, or else against reconstructions.

    An emptied mask counts as one that agrees with nothing (`beside`), and does not drop out of the comparison.

    Args:
        name: "annotated", "flagged" or "unflagged".
    """
    who, after = [case.patient for case in cases], beside(before, after)
    return [
        comparison(measure, name, [*map(read, before)], [*map(read, after)], who, higher_is_better=better, seed=seed)
        for measure, better, read in (_WITH_TRUTH if name == "annotated" else _WITHOUT_TRUTH)
    ]


def refuse_what_is_worse(table: Sequence[Comparison]) -> None:
    """Refuse a network that is worse where the one before it was good, or of which nobody can say so.

    Raises:
        NotCompared: fewer than two annotated patients have a Dice before and after.
        WorseAfterwards: the interval of the difference lies below 0 for the Dice of annotated cases or the pDC of
            unflagged ones.
    """
    checked = max((one.patients for one in table if (one.cases, one.measure) == ("annotated", "dice")), default=0)
    if checked < FEWEST_PATIENTS:
        raise NotCompared(
            f"The refined model is not proposed: the Dice of {checked} annotated patients can be compared before and "
            f"after, and at least {FEWEST_PATIENTS} are needed to say whether it is worse."
        )
    for one in table:
        if one.worse and (one.cases, one.measure) in (("annotated", "dice"), ("unflagged", "pdc")):
            raise WorseAfterwards(
                f"The refined model is not proposed: the {one.measure} of {one.cases} cases falls from "
                f"{one.before:.3f} to {one.after:.3f} (difference {one.low:.3f} to {one.high:.3f})."
            )
