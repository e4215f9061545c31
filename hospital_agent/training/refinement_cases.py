"""A case of a refinement: the image, what a network says of it, and what changed between two networks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import WorseAfterwards
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.metrics.surface import surface_distances
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice, PseudoHausdorff
from hospital_agent.analysis.quality.tukey import Fences, PseudoMeasures
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.training.refinement_table import Comparison, comparison

Labels = NDArray[np.uint8]


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


@dataclass(frozen=True, eq=False)
class Looked:
    """What one network says of a case.

    Args:
        pseudo: how its mask agrees with the reconstruction.
        reconstructed: (Z, Y, X) labels on the volume's grid; empty where nothing could be reconstructed.
        dice, hausdorff_mm: against the annotation, means over the labels that have one; None without annotation.
    """

    pseudo: PseudoMeasures
    reconstructed: Labels
    dice: float | None
    hausdorff_mm: float | None


def look(segmenter: NetworkSegmenter, autoencoder: MaskAutoencoder, case: RefinementCase) -> Looked:
    """Segment a case, reconstruct its mask, and compare it with the annotation where there is one."""
    segmenter.network.eval()
    found = autoencoder.attached(segmenter.segment(case.volume), case.volume.spacing_mm)
    count, labels = autoencoder.shape.label_count, found.label_map
    gap, far = PseudoDice(count).compute(found), PseudoHausdorff(count).compute(found)
    again = None if found.reconstructed is None else found.reconstructed.labels
    overlaps: list[float | None] = []
    distances: list[float | None] = []
    if case.labels is not None:
        for number in range(1, count + 1):
            own, truth = np.equal(labels, number), np.equal(case.labels, number)
            overlaps.append(dice(own, truth))
            apart = surface_distances(own, truth, case.volume.spacing_mm)
            distances.append(None if apart is None else apart.hausdorff_mm)
    return Looked(
        PseudoMeasures(None if gap is None else 1 - gap, far),
        np.zeros_like(labels) if again is None else again,
        _mean(overlaps),
        _mean(distances),
    )


def places_of_flagged(looked: Sequence[Looked], fences: Fences) -> list[int]:
    """The places of the cases whose mask disagrees with its reconstruction."""
    return [place for place, one in enumerate(looked) if fences.flags(one.pseudo)]


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

    Args:
        name: "annotated", "flagged" or "unflagged".
    """
    who = [case.patient for case in cases]
    return [
        comparison(measure, name, [*map(read, before)], [*map(read, after)], who, higher_is_better=better, seed=seed)
        for measure, better, read in (_WITH_TRUTH if name == "annotated" else _WITHOUT_TRUTH)
    ]


def refuse_what_is_worse(table: Sequence[Comparison]) -> None:
    """Refuse a network that is worse where the one before it was good.

    Raises:
        WorseAfterwards: the interval of the difference lies below 0 for the Dice of annotated cases or the pDC of
            unflagged ones.
    """
    for one in table:
        if one.worse and (one.cases, one.measure) in (("annotated", "dice"), ("unflagged", "pdc")):
            raise WorseAfterwards(
                f"The refined model is not proposed: the {one.measure} of {one.cases} cases falls from "
                f"{one.before:.3f} to {one.after:.3f} (difference {one.low:.3f} to {one.high:.3f})."
            )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
