"""What a scanner does to the image of a patient: slice thickness, reconstruction kernel, dose.

The order is that of physics: a slice averages the body over its thickness; the kernel blurs or sharpens in the plane;
noise is made by the dose, coloured by the same kernel, and averaged by the same thickness.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from hospital_agent.analysis.imaging.volume import FloatArray, Triple

Kernel = Literal["soft", "standard", "sharp"]
KERNELS: tuple[Kernel, ...] = ("soft", "standard", "sharp")
REFERENCE_SLICE_MM = 3.0
NOISE_HU: dict[Kernel, float] = {"soft": 7.0, "standard": 14.0, "sharp": 32.0}  # at dose 1, 3 mm slices


@dataclass(frozen=True)
class Scanner:
    """A scanner with its protocol.

    Args:
        kernel: soft blurs, sharp enhances edges and noise.
        dose: relative to a usual chest CT, > 0; noise goes with 1 / sqrt(dose).
        slice_mm: distance and thickness of slices; None keeps those of the host.
    """

    kernel: Kernel = "standard"
    dose: float = 1.0
    slice_mm: float | None = None

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS or self.dose <= 0 or (self.slice_mm is not None and self.slice_mm <= 0):
            raise ValueError("A scanner has a known kernel, a positive dose and a positive slice thickness.")


def draw_scanner(rng: np.random.Generator, thinnest_mm: float) -> Scanner:
    """A scanner of the training mixture: any kernel, dose 0.4 to 2, slices from the host's own up to 6 mm."""
    kernel = KERNELS[int(rng.integers(len(KERNELS)))]
    dose = float(np.exp(rng.uniform(np.log(0.4), np.log(2.0))))
    thick = float(rng.choice([0.0, 3.0, 5.0, 6.0]))
    return Scanner(kernel, dose, thick if thick > thinnest_mm else None)


def acquire(
    body_hu: FloatArray, spacing_mm: Triple, scanner: Scanner, rng: np.random.Generator, *, clean: bool
) -> tuple[FloatArray, Triple]:
    """Image a body with a scanner.

    Args:
        body_hu: (Z, Y, X) HU.
        clean: True for an analytic body without noise; False for a real CT, which brings noise of its own, so that
            only the part beyond it is added.

    Returns:
        The image, and its spacing (slices may have become fewer).
    """
    image, spacing = body_hu, spacing_mm
    if scanner.slice_mm is not None and scanner.slice_mm > spacing_mm[0]:
        image, spacing = average_slices(image, spacing_mm, scanner.slice_mm)
    image = _kernel(image, spacing, scanner.kernel)
    sigma = NOISE_HU[scanner.kernel] / np.sqrt(scanner.dose * spacing[0] / REFERENCE_SLICE_MM)
    if not clean:
        own = NOISE_HU["standard"] / np.sqrt(spacing[0] / REFERENCE_SLICE_MM)
        sigma = np.sqrt(max(sigma**2 - own**2, 0.0))
    noise = _kernel(rng.normal(size=image.shape).astype(np.float32), spacing, scanner.kernel)
    spread = float(noise.std())
    image = image + noise * np.float32(sigma / spread if spread > 0 else 0.0)
    return np.clip(np.rint(image), -1024, 3071).astype(np.float32), spacing


def _kernel(image: FloatArray, spacing_mm: Triple, kernel: Kernel) -> FloatArray:
    """Blur or sharpen in the plane of the slice; the widths are in mm, so that they mean the same on every grid."""
    if kernel == "standard":
        return image
    sigma = [0.0, 1.6 / spacing_mm[1], 1.6 / spacing_mm[2]]
    soft = ndimage.gaussian_filter(image, sigma, mode="nearest")
    return np.asarray(soft if kernel == "soft" else image + 0.9 * (image - soft), dtype=np.float32)


def average_slices(array: FloatArray, spacing_mm: Triple, slice_mm: float) -> tuple[FloatArray, Triple]:
    """Slices of another thickness, each the exact average of what lies in it.

    The stack keeps its lower end; a remainder thinner than half a slice at the upper end is dropped.

    Example:
        >>> average_slices(np.arange(4, dtype=np.float32).reshape(4, 1, 1), (1, 1, 1), 2.0)[0].ravel().tolist()
        [0.5, 2.5]
    """
    depth = array.shape[0] * spacing_mm[0]
    count = max(1, int(np.floor(depth / slice_mm + 0.5)))
    edges = np.minimum(np.arange(count + 1) * slice_mm, depth) / spacing_mm[0]
    lower = np.arange(array.shape[0])
    overlap = np.minimum(edges[1:, None], lower + 1) - np.maximum(edges[:-1, None], lower)
    weights = np.maximum(overlap, 0.0) / np.diff(edges)[:, None]
    averages = weights.astype(np.float32) @ array.reshape(array.shape[0], -1).astype(np.float32, copy=False)
    return averages.reshape(count, *array.shape[1:]), (slice_mm, spacing_mm[1], spacing_mm[2])
