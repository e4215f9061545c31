"""Lung lesions inserted into a chest CT, with exact truth for what was inserted.

A lesion is an ellipsoid whose surface is bent by a few random waves, filled with one of several textures. Its
occupancy (the share of a voxel that it covers) is computed analytically, so that partial volume is right on any grid.
Dense structures of the host (vessels, airways' walls) stay visible through ground glass, as they do in patients.

The families in `TEST_ONLY_FAMILIES` never enter training: they show how the network does on textures it has not seen.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple

Family = Literal["ground_glass", "consolidation", "mixed", "crazy_paving", "reversed_halo"]
TRAINING_FAMILIES: tuple[Family, ...] = ("ground_glass", "consolidation", "mixed")
TEST_ONLY_FAMILIES: tuple[Family, ...] = ("crazy_paving", "reversed_halo")

WAVE_COUNT = 6
SMALLEST_ML, LARGEST_ML = 0.4, 120.0
COARSE_MM = 4.0


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion as it was drawn.

    Args:
        family: its texture.
        centre_mm: (z, y, x) from the centre of voxel (0, 0, 0).
        radii_mm: half axes before bending.
        rotation: (3, 3) orthogonal matrix of the half axes.
        waves: (WAVE_COUNT, 5) rows of wave vector (3, per mm), phase and amplitude (share of the radius).
        edge_mm: width over which the border fades.
        ground_hu, core_hu: HU of ground glass and of consolidated parts.
        texture_seed: seed of the texture inside.
    """

    family: Family
    centre_mm: Triple
    radii_mm: Triple
    rotation: NDArray[np.float64]
    waves: NDArray[np.float64]
    edge_mm: float
    ground_hu: float
    core_hu: float
    texture_seed: int


def draw_lesions(
    rng: np.random.Generator,
    lungs: BoolArray,
    spacing_mm: Triple,
    count: int,
    families: tuple[Family, ...] = TRAINING_FAMILIES,
) -> tuple[Lesion, ...]:
    """Draw `count` lesions with centres in the lungs, more often near the pleura, low and at the back.

    Volumes are log-uniform between 0.4 and 120 ml, the range of the expert Covid masks of MosMed.

    Args:
        lungs: (Z, Y, X), Z towards the head, Y towards the back.
    """
    if count == 0 or not lungs.any():
        return ()
    # Places need no finer grid than 4 mm, and the distances below are slow on a fine one.
    steps = [max(1, int(COARSE_MM / step)) for step in spacing_mm]
    coarse = lungs[tuple(slice(None, None, step) for step in steps)]
    if not coarse.any():
        steps, coarse = [1, 1, 1], lungs
    spacing = np.asarray(spacing_mm) * steps
    places = np.argwhere(coarse) * spacing
    weights = _place_weights(coarse, spacing)[coarse]
    chosen = rng.choice(len(places), size=count, p=weights / weights.sum())
    return tuple(_draw_lesion(rng, places[index], families) for index in chosen)


def _place_weights(lungs: BoolArray, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subpleural, posterior and basal places are more likely, as in Covid pneumonia; no place is impossible."""
    depth = ndimage.distance_transform_edt(lungs, sampling=spacing_mm)
    z, y, _ = (np.linspace(0.0, 1.0, n) for n in lungs.shape)
    weights = (0.15 + np.exp(-depth / 15.0)) * (0.5 + y)[None, :, None] * (1.5 - z)[:, None, None]
    return np.asarray(weights, dtype=np.float64)


def _draw_lesion(rng: np.random.Generator, centre_mm: NDArray[np.float64], families: tuple[Family, ...]) -> Lesion:
    volume_ml = float(np.exp(rng.uniform(np.log(SMALLEST_ML), np.log(LARGEST_ML))))
    radius = (volume_ml * 1000.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
    stretch = np.exp(rng.normal(0.0, 0.25, size=3))
    radii = radius * stretch / np.prod(stretch) ** (1.0 / 3.0)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    directions = rng.normal(size=(WAVE_COUNT, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = radius * rng.uniform(0.7, 2.5, size=(WAVE_COUNT, 1))
    waves = np.hstack(
        [
            directions * 2.0 * np.pi / lengths,
            rng.uniform(0.0, 2.0 * np.pi, size=(WAVE_COUNT, 1)),
            rng.uniform(0.0, 0.22, size=(WAVE_COUNT, 1)),
        ]
    )
    family = families[int(rng.integers(len(families)))]
    z, y, x = (float(value) for value in centre_mm)
    return Lesion(
        family=family,
        centre_mm=(z, y, x),
        radii_mm=(float(radii[0]), float(radii[1]), float(radii[2])),
        rotation=rotation,
        waves=waves,
        edge_mm=float(rng.uniform(2.0, 7.0)),
        ground_hu=float(rng.uniform(-650.0, -420.0)),
        core_hu=float(rng.uniform(-40.0, 60.0)),
        texture_seed=int(rng.integers(2**31)),
    )


def insert_lesions(
    host_hu: FloatArray, lungs: BoolArray, spacing_mm: Triple, lesions: tuple[Lesion, ...]
) -> tuple[FloatArray, FloatArray]:
    """Put lesions into a host.

    Args:
        host_hu: (Z, Y, X) HU.
        lungs: (Z, Y, X); a lesion ends where the lung ends.

    Returns:
        The image with the lesions, and the truth as the covered share of each voxel, in [0, 1].
    """
    image = host_hu.astype(np.float32, copy=True)
    truth = np.zeros(host_hu.shape, dtype=np.float32)
    soft_lungs = ndimage.uniform_filter(lungs.astype(np.float32), size=3)
    for lesion in lesions:
        box, occupancy, depth = _occupancy(lesion, host_hu.shape, spacing_mm)
        if occupancy.size == 0:
            continue
        occupancy = occupancy * np.minimum(soft_lungs[box], lungs[box])
        target, opacity = _texture(lesion, depth, spacing_mm)
        share = occupancy * opacity
        region = image[box]
        image[box] = np.where(region < target, region + share * (target - region), region)
        truth[box] = np.maximum(truth[box], occupancy)
    return image, truth


def _occupancy(
    lesion: Lesion, shape: tuple[int, ...], spacing_mm: Triple
) -> tuple[tuple[slice, slice, slice], FloatArray, FloatArray]:
    """The box around a lesion, its occupancy there, and the depth: 0 at the border, 1 at the centre."""
    reach = max(lesion.radii_mm) * (1.0 + float(lesion.waves[:, 4].sum())) + lesion.edge_mm
    bounds = []
    for centre, step, length in zip(lesion.centre_mm, spacing_mm, shape, strict=True):
        low = max(0, int(np.floor((centre - reach) / step)))
        high = min(length, int(np.ceil((centre + reach) / step)) + 1)
        bounds.append(slice(low, max(low, high)))
    box = (bounds[0], bounds[1], bounds[2])
    axes = [
        (np.arange(s.start, s.stop) * step - centre).astype(np.float32)
        for s, step, centre in zip(box, spacing_mm, lesion.centre_mm, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    turned = grid @ lesion.rotation.astype(np.float32)
    radius = np.sqrt(np.sum(np.square(turned / np.asarray(lesion.radii_mm, dtype=np.float32)), axis=-1))
    bend = np.zeros(radius.shape, dtype=np.float32)
    for kz, ky, kx, phase, amplitude in lesion.waves:
        bend += np.float32(amplitude) * np.cos(
            grid[..., 0] * np.float32(kz)
            + grid[..., 1] * np.float32(ky)
            + grid[..., 2] * np.float32(kx)
            + np.float32(phase)
        )
    inside = 1.0 + bend - radius
    # A border is never sharper than the voxel that shows it: this is what makes the partial volume right.
    width = max(lesion.edge_mm, *spacing_mm) / min(lesion.radii_mm)
    occupancy = np.clip(0.5 + inside / width, 0.0, 1.0).astype(np.float32)
    return box, occupancy, np.clip(inside, 0.0, 1.0).astype(np.float32)


def _texture(lesion: Lesion, depth: FloatArray, spacing_mm: Triple) -> tuple[FloatArray, FloatArray]:
    """Target HU inside the lesion, and how opaque it is there (1 hides the host's air entirely)."""
    rng = np.random.default_rng(lesion.texture_seed)
    grain = _smooth_noise(rng, depth.shape, spacing_mm, 4.0)
    ground = lesion.ground_hu + 60.0 * grain
    core = lesion.core_hu + 15.0 * grain
    if lesion.family == "ground_glass":
        target = ground
    elif lesion.family == "consolidation":
        airways = _smooth_noise(rng, depth.shape, spacing_mm, 3.0) > 2.2
        target = np.where(airways, -700.0, core)
    elif lesion.family == "mixed":
        target = np.where(depth + 0.15 * grain > 0.35, core, ground)
    elif lesion.family == "crazy_paving":
        lines = np.abs(_smooth_noise(rng, depth.shape, spacing_mm, 5.0)) < 0.2
        target = np.where(lines, ground + 300.0, ground)
    else:
        target = np.where((depth > 0.08) & (depth < 0.35), core, ground)
    return target.astype(np.float32), np.full(depth.shape, 0.95, dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: Triple, length_mm: float) -> FloatArray:
    """Unit-variance noise with the given correlation length."""
    noise = rng.normal(size=shape).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, [length_mm / 2.0 / step for step in spacing_mm], mode="wrap")
    spread = float(smooth.std())
    return np.asarray(smooth / spread if spread > 0 else smooth, dtype=np.float32)
