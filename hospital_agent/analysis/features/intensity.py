"""What the largest component looks like in the image."""

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features
from shared.quantities import Quantity, linear_cuts

INFINITE = float("inf")


@features.register("intensity_mode_hu")
class IntensityMode:
    """Mean HU of the largest component: the mean of the one Gaussian fitted to it.

    Ground glass lies near -600 HU and consolidation near 0: a mask that drifts into vessels, air or the chest wall
    moves this number. Undefined for an empty mask, and for MR, whose numbers are not HU: see
    `intensity_mode_body_sd`.

    Source: González et al. 2021 (quality), sec. 2.1, "mode of the intensity", a Gaussian mixture with one component.
    Differs: the fitted mean of one Gaussian is the sample mean, so it is computed exactly and without sampling.
    """

    modality = "CT"
    quantity = Quantity(
        name="intensity_mode_hu",
        unit="HU",
        direction="neither",
        low=-INFINITE,
        high=INFINITE,
        version=1,
        cuts=linear_cuts(-1000, 200),
        label="Mean density of the largest component",
    )

    def compute(self, case: Case) -> float | None:
        """HU; None for an empty mask or another modality than CT."""
        values = _values_of_largest(case, "CT")
        return None if values is None else float(values.mean(dtype=np.float64))


@features.register("intensity_spread_hu")
class IntensitySpread:
    """Standard deviation of HU in the largest component: of the Gaussian whose mean is `intensity_mode_hu`.

    Divided by n, as fitting a Gaussian by likelihood does; 0 for a single voxel. Noise, a sharp kernel, or a mask that
    mixes disease with healthy lung raise it.
    """

    modality = "CT"
    quantity = Quantity(
        name="intensity_spread_hu",
        unit="HU",
        direction="neither",
        low=0,
        high=INFINITE,
        version=1,
        cuts=linear_cuts(0, 480),
        label="Spread of density in the largest component",
    )

    def compute(self, case: Case) -> float | None:
        """HU >= 0; None for an empty mask or another modality than CT."""
        values = _values_of_largest(case, "CT")
        return None if values is None else float(values.std(dtype=np.float64))


@features.register("intensity_mode_body_sd")
class IntensityModeMr:
    """How bright the largest component is in MR: its mean, less that of the body, in SD of the body.

    Numbers of MR have no unit, and another gain multiplies all of them: the body is the scale, see
    `Volume.body_intensities`. Undefined for an empty mask, an image that does not vary, and CT, which has HU.

    Source: as `intensity_mode_hu`. Differs: the paper has CT alone.
    """

    modality = "MR"
    quantity = Quantity(
        name="intensity_mode_body_sd",
        unit="SD of the body",
        direction="neither",
        low=-INFINITE,
        high=INFINITE,
        version=1,
        cuts=linear_cuts(-3, 3),
        label="Mean brightness of the largest component",
    )

    def compute(self, case: Case) -> float | None:
        """In SD of the body; 0 as bright as the body's mean."""
        values, body = _values_of_largest(case, "MR"), case.volume.body_intensities
        return None if values is None or body is None else (float(values.mean(dtype=np.float64)) - body[0]) / body[1]


@features.register("intensity_spread_body_sd")
class IntensitySpreadMr:
    """Standard deviation of brightness in the largest component in MR, in SD of the body; divided by n.

    Undefined where `intensity_mode_body_sd` is.
    """

    modality = "MR"
    quantity = Quantity(
        name="intensity_spread_body_sd",
        unit="SD of the body",
        direction="neither",
        low=0,
        high=INFINITE,
        version=1,
        cuts=linear_cuts(0, 3),
        label="Spread of brightness in the largest component",
    )

    def compute(self, case: Case) -> float | None:
        """In SD of the body, >= 0."""
        values, body = _values_of_largest(case, "MR"), case.volume.body_intensities
        return None if values is None or body is None else float(values.std(dtype=np.float64)) / body[1]


def _values_of_largest(case: Case, modality: str) -> NDArray[np.float32] | NDArray[np.int16] | None:
    largest = case.components.largest
    if largest is None or case.volume.modality != modality:
        return None
    box = case.components.box_of(largest)
    inside = case.components.labels[case.components.local(box)] == largest + 1
    values: NDArray[np.float32] | NDArray[np.int16] = case.volume.array[box][inside]
    return values
