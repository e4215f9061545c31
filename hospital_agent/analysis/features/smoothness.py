"""How evenly a mask changes from one axial slice to the next."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.components import Components
from hospital_agent.analysis.features import features
from hospital_agent.analysis.imaging.volume import BoolArray, Triple
from shared.quantities import Quantity, linear_cuts

SLICE_MM = 5.0
SHIFTS_MM = (-SLICE_MM / 3, 0.0, SLICE_MM / 3)
TIE = 1e-6  # values on the outline are inside, whatever the rounding
Counts = NDArray[np.int64]
Edges = NDArray[np.float64]


@features.register("smoothness")
class Smoothness:
    """Mean Dice of consecutive axial slices, per component of at least 0.01 ml, averaged over components.

    Anatomy changes little from slice to slice and a failed mask jumps. Only a component's own voxels are compared, and
    only within its own axial extent; identical slices say nothing and are left out, and so is a component without a
    pair of unlike slices. It measures slice thickness too (a sphere of radius 30 mm: 0.95 at 1 mm, 0.83 at 8 mm): that
    is why drift looks at `smoothness_5mm` and not at this.

    Source: González et al. 2021 (quality), sec. 2.1. Differs: along the axis of the body (the published code runs from
    left to right), without other components in the bounding box, with a volume and not 1000 voxels as the smallest
    component, and undefined, not NaN, where no pair is left.
    """

    quantity = Quantity(
        name="smoothness",
        unit="Dice",
        direction="higher_is_better",
        low=0,
        high=1,
        version=1,
        cuts=linear_cuts(0.2, 1),
        label="Smoothness between slices",
        monitored=False,
    )

    def compute(self, case: Case) -> float | None:
        """In [0, 1]; None for an empty mask, fragments alone, or no pair of unlike slices."""
        components = case.components
        if not components.large.any():
            return None
        areas, overlaps, offsets = _slice_counts(components)
        # The last slice of a component has no partner: its place holds a pair with the next component.
        is_pair = np.ones(areas.size, dtype=np.bool_)
        is_pair[offsets[1:] - 1] = False
        owner = np.repeat(np.arange(components.count), np.diff(offsets))
        dice, unlike = _dice(areas, np.append(areas[1:], 0), overlaps)
        used = is_pair & unlike & components.large[owner]
        pairs = np.bincount(owner[used], minlength=components.count)
        sums = np.bincount(owner[used], weights=dice[used], minlength=components.count)
        return float(np.mean(sums[pairs > 0] / pairs[pairs > 0])) if pairs.any() else None


@features.register("smoothness_5mm")
class SmoothnessAt5mm:
    """`smoothness` of the mask on slices of 5 mm, so that sites with thin and thick slices can be compared.

    Each component of at least 0.01 ml is put on its own stack of 5 mm slices, placed by its own extent, so that the
    value does not depend on where in the volume it lies: once centred, once a third of a slice lower and once higher,
    and the three values are averaged, because where the stack begins decides how thin the last slices are. A voxel of a
    5 mm slice is foreground when the component covers at least half of its height:

    - slices up to 5 mm: the covered height is summed over the source slices, each a slab of its own thickness;
    - slices over 5 mm: the outline half way up the 5 mm slice decides, interpolated between the source slices by their
      signed distances, with a round cap at the ends (repeating thick slices would make identical pairs, which say
      nothing).

    Source: shape-based interpolation after Raya and Udupa, IEEE TMI 1990; the 5 mm are ours.
    """

    quantity = Quantity(
        name="smoothness_5mm",
        unit="Dice",
        direction="higher_is_better",
        low=0,
        high=1,
        version=1,
        cuts=linear_cuts(0.2, 1),
        label="Smoothness between slices of 5 mm",
    )

    def compute(self, case: Case) -> float | None:
        """In [0, 1]; None for an empty mask, fragments alone, or no pair of unlike 5 mm slices."""
        components = case.components
        means = []
        for component in np.flatnonzero(components.large):
            labels = components.labels[components.local(components.box_of(int(component)))]
            own = labels == component + 1
            stacks = [on_5mm_slices(own, case.volume.spacing_mm, shift) for shift in SHIFTS_MM]
            values = [value for value in map(mean_slice_dice, stacks) if value is not None]
            if values:
                means.append(np.mean(values))
        return float(np.mean(means)) if means else None


def mean_slice_dice(stack: BoolArray) -> float | None:
    """Mean Dice of consecutive unlike slices of one component between its first and last slice; None without a pair."""
    flat = stack.reshape(stack.shape[0], -1)
    areas = np.count_nonzero(flat, axis=1)
    filled = np.flatnonzero(areas)
    if filled.size == 0:
        return None
    extent = slice(filled[0], filled[-1] + 1)
    flat, areas = flat[extent], areas[extent]
    overlaps = np.count_nonzero(flat[1:] & flat[:-1], axis=1)
    dice, unlike = _dice(areas[:-1], areas[1:], overlaps)
    return float(dice[unlike].mean()) if unlike.any() else None


def on_5mm_slices(component: BoolArray, spacing_mm: Triple, shift_mm: float = 0.0) -> BoolArray:
    """One component, cropped to its box, on slices of 5 mm; see `SmoothnessAt5mm` for the rule.

    Args:
        component: (Z, Y, X), with a voxel in every slice.
        spacing_mm: (Z, Y, X).
        shift_mm: how much higher than centred the stack lies.
    """
    edges = _slice_edges(component.shape[0] * spacing_mm[0], shift_mm)
    if spacing_mm[0] <= SLICE_MM:
        return _covered_half(component, spacing_mm[0], edges)
    return _between_outlines(component, spacing_mm, edges)


def _slice_edges(height_mm: float, shift_mm: float) -> Edges:
    """Borders of the 5 mm slices that hold a component of this height, from its lower end; 0 is where it begins."""
    middle = height_mm / 2 + shift_mm
    # Counted from the centred stack's own border, so that slices which are 5 mm already meet it exactly.
    count = int(np.ceil(height_mm / SLICE_MM - TIE))
    lowest = middle - count * SLICE_MM / 2
    before = int(lowest > 0)
    after = int(lowest + count * SLICE_MM < height_mm)
    return lowest + SLICE_MM * np.arange(-before, count + after + 1, dtype=np.float64)


def _covered_half(component: BoolArray, thickness_mm: float, edges: Edges) -> BoolArray:
    slabs = np.arange(component.shape[0]) * thickness_mm
    shared = np.minimum(edges[1:, None], slabs + thickness_mm) - np.maximum(edges[:-1, None], slabs)
    weights = (np.maximum(shared, 0) / SLICE_MM).astype(np.float32)
    covered = weights @ component.reshape(component.shape[0], -1).astype(np.float32)
    half: BoolArray = covered >= 0.5 - TIE
    return half.reshape(-1, *component.shape[1:])


def _between_outlines(component: BoolArray, spacing_mm: Triple, edges: Edges) -> BoolArray:
    outlines = np.stack([_signed_distance(plane, spacing_mm[1:]) for plane in component])
    middles = (edges[:-1] + edges[1:]) / 2 / spacing_mm[0] - 0.5
    return np.stack([_outline_at(outlines, float(middle)) for middle in middles])


def _outline_at(outlines: NDArray[np.float64], position: float) -> BoolArray:
    """Voxels inside at a height given in source slices; beyond the outermost ones the body ends in a round cap."""
    last = len(outlines) - 1
    beyond = max(-position, position - last, 0.0)
    if beyond > 0.5:
        return np.zeros(outlines.shape[1:], dtype=np.bool_)
    if beyond > 0:
        end = outlines[0 if position < 0 else last]
        cap: BoolArray = end >= end.max() * (1 - np.sqrt(1 - 2 * beyond)) - TIE
        return cap
    below = min(int(position), max(last - 1, 0))
    share = position - below
    inside: BoolArray = (1 - share) * outlines[below] + share * outlines[min(below + 1, last)] >= -TIE
    return inside


def _signed_distance(plane: BoolArray, spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Distance to the outline in mm, positive inside; the outline runs half way between voxel centres."""
    padded = np.pad(plane, 1)
    half = min(spacing_mm) / 2
    inner = ndimage.distance_transform_edt(padded, sampling=spacing_mm)
    outer = ndimage.distance_transform_edt(~padded, sampling=spacing_mm)
    signed: NDArray[np.float64] = np.where(padded, inner - half, half - outer)
    return signed[1:-1, 1:-1]


def _dice(first: Counts, second: Counts, overlap: Counts) -> tuple[NDArray[np.float64], BoolArray]:
    """Dice of pairs of slices, and which pairs are unlike; 0 where both are empty, which is alike."""
    total = first + second
    dice = 2 * overlap / np.maximum(total, 1)
    return dice, total > 2 * overlap


def _slice_counts(components: Components) -> tuple[Counts, Counts, Counts]:
    """Voxels per component and slice, and those that have one of the same component right above them.

    All slices of all components stand in one row; `offsets` says where each component's begin. The row is never longer
    than the mask has voxels, whatever the mask.
    """
    labels = components.labels.reshape(-1)
    plane = components.labels.shape[1] * components.labels.shape[2]
    first = components.bounds[:, 0, 0] - (components.box[0].start if components.box else 0)
    offsets = np.concatenate([[0], np.cumsum(components.bounds[:, 0, 1] - components.bounds[:, 0, 0])])
    place = (offsets[:-1] - first).astype(components.voxels.dtype)[components.owners] + components.voxels // plane
    areas = np.bincount(place, minlength=offsets[-1])
    has_above = int(np.searchsorted(components.voxels, labels.size - plane))
    same = labels[components.voxels[:has_above] + plane] == labels[components.voxels[:has_above]]
    overlaps = np.bincount(place[:has_above][same], minlength=offsets[-1])
    return areas, overlaps, offsets
