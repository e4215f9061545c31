"""Lungs by threshold and morphology, made so that dense disease stays inside.

A plain threshold finds aerated lung and loses what matters here: consolidation has the density of muscle. So aerated
lung is only the start. Everything is computed on one coarse grid, whatever the slices were:

1. Air below -400 HU, less the air of the room, which reaches the sides of the image.
2. The trachea and main bronchi, followed downwards from the top, are taken out, and so is pure gas with a wall of
   tissue: a stomach bubble that only a thin diaphragm parts from the lung.
3. Pieces that are walled in by tissue and deep enough are lung; clothes, mattress and bowel gas are not.
4. The two lungs are told apart, so that nothing bridges the mediastinum.
5. Tissue between aerated lung and the ribs beside and behind it becomes lung (`rib_cage`): consolidation at the pleura.
6. Each lung is closed with a large ball: tissue into which the ball does not fit without touching lung becomes lung.
   Vessels, nodules and consolidation are that narrow; the heart and the liver are not.

What it cannot do: tell a solid mass thicker than the ball that lies on the diaphragm from the liver below it, or find
a lung that is white altogether: nothing aerated is left to start from.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.components import label
from hospital_agent.analysis.imaging.lungs import lung_backends
from hospital_agent.analysis.imaging.lungs.airways import airways_of
from hospital_agent.analysis.imaging.lungs.rib_cage import disease_at_the_ribs, ribs_of
from hospital_agent.analysis.imaging.lungs.sides import lungs_midline
from hospital_agent.analysis.imaging.resample import Box, bounding_box, resample, resample_mask, spacing_of
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple, Volume

COARSE_MM = 3.0
AERATED_BELOW_HU = -400  # half way between lung and soft tissue, so averaging leaves the border where it was
ROOM_AIR_BELOW_HU = -930
TISSUE_ABOVE_HU = -300
MIN_ROOM_ML = 10.0
GAS_BELOW_HU = -935
GAS_ML = (5.0, 600.0)  # an emphysematous lung can be as light, but is larger
MIN_PIECE_ML = 20.0
MIN_LUNGS_ML = 100.0
MIN_DEPTH_MM = 12.0  # a lung has a place this far from its surface; a fold of cloth or foam has not
MIN_WALLED = 0.7  # share of tissue in the shell around a piece: 0.75 to 0.95 for lungs, under 0.7 for cloth and foam
MIN_GAS_WALLED = 0.6
CLOSING_MM = 20.0
Labels = NDArray[np.uint32]


@lung_backends.register("threshold")
class ThresholdLungs:
    """Both lungs of a CT from its HU alone, disease included, from 0.6 mm to 8 mm slices.

    Works on a CT in HU whose tissue is near 0 and whose lungs are below -400. Needs no weights and no settings, and
    takes a second or two.
    """

    def find(self, volume: Volume) -> BoolArray | None:
        """Both lungs on the volume's own grid; None where nothing looks like a lung, and for MR."""
        if volume.modality != "CT":
            return None
        hu = resample(volume.array, volume.spacing_mm, (COARSE_MM, COARSE_MM, COARSE_MM))
        lungs = lungs_on_coarse_grid(hu, spacing_of(volume.shape, volume.spacing_mm, hu.shape))
        return None if lungs is None else resample_mask(lungs, volume.shape)


def lungs_on_coarse_grid(hu: FloatArray, spacing_mm: Triple) -> BoolArray | None:
    """The steps of this module on a grid of about 3 mm; None where nothing looks like a lung."""
    air = (hu < AERATED_BELOW_HU) & ~_room_air(hu, spacing_mm)
    airways = airways_of(hu, air, spacing_mm) | _gas_pockets(hu, air, spacing_mm)
    aerated = _lung_pieces(hu, air & ~airways, spacing_mm)
    if aerated is None:
        return None
    ribs = ribs_of(hu, aerated, spacing_mm)
    found = lungs_midline(hu, aerated)
    if found is None:
        return None
    midline, _ = found
    lungs = np.zeros(hu.shape, dtype=np.bool_)
    for lung in _left_and_right(aerated, spacing_mm):
        lungs |= _closed(lung | disease_at_the_ribs(hu, ribs, lung, midline, spacing_mm), spacing_mm)
    return lungs & ~airways


def _room_air(hu: FloatArray, spacing_mm: Triple) -> BoolArray:
    """Air that reaches a side of the image, with the half-filled voxels where it meets skin.

    A few millilitres at the side may be emphysema in a lung that the image cuts, so they are left in.
    """
    labels, count = label(hu < ROOM_AIR_BELOW_HU, 6)
    reaches = np.zeros(count + 1, dtype=np.bool_)
    for side in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        reaches[side] = True
    reaches &= np.bincount(labels.reshape(-1)) * (float(np.prod(spacing_mm)) / 1000) >= MIN_ROOM_ML
    reaches[0] = False
    room: BoolArray = reaches[labels]
    half_filled: BoolArray = ndimage.binary_dilation(room, iterations=2) & (hu < AERATED_BELOW_HU)
    return half_filled


def _gas_pockets(hu: FloatArray, air: BoolArray, spacing_mm: Triple) -> BoolArray:
    """Pure gas with tissue all round, with its half-filled border. Bullae and emphysema have lung around them."""
    labels, _ = label(ndimage.binary_opening(air & (hu < GAS_BELOW_HU)), 6)
    ml = np.bincount(labels.reshape(-1))[1:] * (float(np.prod(spacing_mm)) / 1000)
    pockets = np.zeros(hu.shape, dtype=np.bool_)
    for i, box in enumerate(ndimage.find_objects(labels.view(np.int32))):
        if GAS_ML[0] <= ml[i] <= GAS_ML[1]:
            wide = tuple(slice(max(0, s.start - 4), s.stop + 4) for s in box)
            border = ndimage.binary_dilation(labels[wide] == i + 1, iterations=2)
            around = hu[wide][ndimage.binary_dilation(border, iterations=2) & ~border]
            if around.size and np.mean(around > TISSUE_ABOVE_HU) >= MIN_GAS_WALLED:
                pockets[wide] |= border & air[wide]
    return pockets


def _lung_pieces(hu: FloatArray, air: BoolArray, spacing_mm: Triple) -> BoolArray | None:
    """The pieces of air that are lung: one that surely is, and those that lie no deeper in the body than it."""
    labels, _ = label(air, 6)
    boxes: list[Box] = ndimage.find_objects(labels.view(np.int32))
    ml = np.bincount(labels.reshape(-1))[1:] * (float(np.prod(spacing_mm)) / 1000)
    pieces = [i for i in np.argsort(-ml) if ml[i] >= MIN_PIECE_ML and _walled_in(hu, labels, i + 1, boxes[i])]
    if not pieces or not _deep(labels, pieces[0] + 1, boxes[pieces[0]], spacing_mm):
        return None
    if ml[pieces].sum() < MIN_LUNGS_ML:
        return None
    height = boxes[pieces[0]][0]
    lowest = height.start + 0.15 * (height.stop - height.start)
    chosen = np.zeros(len(boxes) + 1, dtype=np.bool_)
    for i in pieces:
        chosen[i + 1] = (boxes[i][0].start + boxes[i][0].stop) / 2 >= lowest
    kept: BoolArray = chosen[labels]
    return kept


def _walled_in(hu: FloatArray, labels: Labels, number: int, box: Box) -> bool:
    """Whether the shell of two voxels around a piece is mostly tissue; what lies beyond the image does not count."""
    wide = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
    piece = labels[wide] == number
    shell = ndimage.binary_dilation(piece, iterations=2) & ~piece
    around = hu[wide][shell]
    return around.size > 0 and float(np.mean(around > TISSUE_ABOVE_HU)) >= MIN_WALLED


def _deep(labels: Labels, number: int, box: Box, spacing_mm: Triple) -> bool:
    """Whether something of a piece is left when 12 mm are taken off all round."""
    layers = max(1, round(MIN_DEPTH_MM / min(spacing_mm)))
    return bool(ndimage.binary_erosion(labels[box] == number, iterations=layers).any())


def _left_and_right(lungs: BoolArray, spacing_mm: Triple) -> list[BoolArray]:
    """The lungs as separate masks: eroded until two large parts remain, then every voxel goes to the nearer part."""
    box = bounding_box(lungs, spacing_mm)
    if box is None:
        return []
    core = lungs[box]
    for _ in range(6):
        labels, _ = label(core, 6)
        sizes = np.bincount(labels.reshape(-1))[1:]
        large = np.flatnonzero(sizes > 0.15 * sizes.sum()) + 1
        if large.size >= 2:
            first, second = large[np.argsort(-sizes[large - 1])[:2]]
            in_first = _nearer_to(labels == first, labels == second, spacing_mm)
            return [_inside(box, lungs, in_first), _inside(box, lungs, ~in_first)]
        core = ndimage.binary_erosion(core)
    return [lungs]


def _nearer_to(first: BoolArray, second: BoolArray, spacing_mm: Triple) -> BoolArray:
    nearest = ndimage.distance_transform_edt(
        ~(first | second), sampling=spacing_mm, return_distances=False, return_indices=True
    )
    nearer: BoolArray = first[tuple(nearest)]
    return nearer


def _inside(box: Box, lungs: BoolArray, chosen: BoolArray) -> BoolArray:
    part = np.zeros_like(lungs)
    part[box] = lungs[box] & chosen
    return part


def _closed(lung: BoolArray, spacing_mm: Triple) -> BoolArray:
    """One lung, closed with a ball of 20 mm and without holes."""
    box = bounding_box(lung, spacing_mm)
    if box is None:
        return lung
    margin = [int(np.ceil(CLOSING_MM / step)) + 1 for step in spacing_mm]
    part = np.pad(lung[box], [(m, m) for m in margin])
    reached = ndimage.distance_transform_edt(~part, sampling=spacing_mm) <= CLOSING_MM
    closed = ndimage.distance_transform_edt(reached, sampling=spacing_mm) > CLOSING_MM
    inner = tuple(slice(m, n - m) for m, n in zip(margin, part.shape, strict=True))
    result = lung.copy()
    result[box] |= _without_holes(closed | part)[inner]
    return result


def _without_holes(mask: BoolArray) -> BoolArray:
    """A mask with every background piece filled that does not reach its first voxel; the border must be background."""
    labels, _ = label(~mask, 6)
    filled: BoolArray = labels != labels[0, 0, 0]
    return filled
