"""Hosts: chests without inserted lesions, real or analytic, ready to receive them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Shape, Triple, Volume
from hospital_agent.simulation.phantom import draw_chest, render_chest


@dataclass(frozen=True, eq=False)
class Host:
    """A chest with its lungs.

    Args:
        name: of the volume; patient: whom it shows (two kernels of one scan share it). Both stay on this machine.
        image_hu: (Z, Y, X).
        lungs: (Z, Y, X) bool, dense lesions of the host included.
        ignore: (Z, Y, X) bool, lesions the host already has, without a reference: no loss and no score there.
        clean: True for an analytic body without noise.
    """

    name: str
    patient: str
    image_hu: FloatArray
    spacing_mm: Triple
    lungs: BoolArray
    ignore: BoolArray
    clean: bool


def phantom_host(seed: int, shape: Shape = (72, 68, 80), spacing_mm: Triple = (3.0, 3.0, 3.0)) -> Host:
    """An analytic chest, small enough that its lungs fit into one tile of the shipped network."""
    rng = np.random.default_rng([seed, 7001])
    z, y, x = (n * s for n, s in zip(shape, spacing_mm, strict=True))
    image, lungs = render_chest(draw_chest(rng, (z, y, x)), shape, spacing_mm)
    nothing = np.zeros(shape, dtype=np.bool_)
    return Host(f"phantom{seed}", f"phantom{seed}", image, spacing_mm, lungs, nothing, clean=True)


def real_host(name: str, patient: str, volume: Volume, lungs: BoolArray, known: BoolArray | None) -> Host:
    """A real CT as a host; what looks like a lesion of its own is marked to be ignored.

    No reference of these lesions exists, so they are found by a rule: inside the lungs, denser than -600 HU, and
    still there after an opening of 4 mm, which removes vessels. `known` adds nodules that readers have drawn.
    The rule errs to the side of ignoring too much.
    """
    image = volume.array.astype(np.float32)
    dense = lungs & (image > -600.0)
    steps = [max(1, round(4.0 / step)) for step in volume.spacing_mm]
    ball = _ellipsoid(steps)
    own = ndimage.binary_opening(dense, structure=ball)
    if known is not None:
        own |= known
    own = ndimage.binary_dilation(own, structure=ball)
    return Host(name, patient, image, volume.spacing_mm, lungs, own, clean=False)


def _ellipsoid(steps: list[int]) -> BoolArray:
    grid = np.meshgrid(*(np.arange(-n, n + 1) / n for n in steps), indexing="ij")
    return np.asarray(sum(np.square(axis) for axis in grid) <= 1.0 + 1e-9)
