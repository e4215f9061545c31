"""From the headers and pixels of one series to an array (HU for CT) with its grid, or a refusal by name.

The order of the slices is computed from where they lie (the projection of ImagePositionPatient on the slice normal);
file names and InstanceNumber are never trusted. A gantry tilt is seen in the positions, not in GantryDetectorTilt,
which scanners also write when they have corrected it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import FloatArray, Modality
from hospital_agent.errors import (
    ColourImage,
    DuplicateSlicePosition,
    InputRefused,
    MissingSlices,
    MixedSeries,
    NoGeometry,
    NonHounsfieldValues,
    NonUniformSpacing,
    NoPixelData,
    NotAxial,
    SingleSlice,
    UndecodablePixels,
)
from hospital_agent.ingest.dicom_headers import SliceHeader, ends_early, quiet_pydicom, refuse_other_kinds, truncated
from hospital_agent.ingest.geometry import LPS_OF_RAS, Grid, check_grid
from hospital_agent.ingest.values import AIR_HU

PIXEL_TAGS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelData",
)  # fmt: skip

SAME_POSITION_MM = 0.01
SPACING_TOLERANCE_MM = 0.11  # some scanners round positions to 0.1 mm
SPACING_TOLERANCE_FRACTION = 0.05
SIDEWAYS_TOLERANCE_MM = 1.0
GAP_FRACTION = 0.9
HOUNSFIELD_TYPES = frozenset({"", "HU", "US"})


def arrange(headers: Sequence[SliceHeader], modality: Modality) -> tuple[list[SliceHeader], Grid, tuple[str, ...]]:
    """Sort the slices of one series along their normal and find the grid they lie on.

    Returns:
        the slices in order, the grid with axes (column, row, slice), and warnings for a person.

    Raises:
        LocalizerSeries, SecondaryCapture, ReformattedSeries, MultiFrameImage, NotACTSeries, NotAnMRSeries: nothing is a
            slice of this modality.
        MixedSeries: several series, orientations, matrix sizes, pixel sizes or in-plane positions.
        NoGeometry, SingleSlice, DuplicateSlicePosition, GantryTilt, ObliqueVolume, NotAxial, MissingSlices,
        NonUniformSpacing: what they say.
    """
    refuse_other_kinds(headers, modality)
    unique = list({header.sop_uid: header for header in headers}.values())
    _check_one_series(unique)
    if len(unique) < 2:
        raise SingleSlice("The series has one slice; a volume needs at least two.")
    slices, positions = _sorted_along_normal(unique)
    grid = _grid(slices, positions)
    warnings = check_grid(grid)
    if int(np.argmax(np.abs(grid.affine[:3, 2]))) != 2:
        raise NotAxial("The slices are coronal or sagittal; only axial series are read.")
    spacing = _check_gaps(positions)
    repeated = len(headers) - len(unique)
    return slices, grid, (*warnings, *_gap_warning(slices, spacing), *_repeat_warning(repeated))


def read_hounsfield(slices: Sequence[SliceHeader]) -> NDArray[Any]:
    """The stack as (slice, row, column) in HU, not yet checked for plausibility: whole numbers stay whole.

    Raises:
        NonHounsfieldValues: a slice has no rescale slope and intercept, or they lead to another unit.
        NoPixelData, TruncatedDicom, UndecodablePixels, ColourImage: what they say.
    """
    for header in slices:
        _check_rescale(header)
    whole = all(float(h.slope or 0).is_integer() and float(h.intercept or 0).is_integer() for h in slices)
    stack: NDArray[Any] = np.empty((len(slices), *slices[0].shape), dtype=np.int32 if whole else np.float32)
    for index, header in enumerate(slices):
        stored, padding = _read_slice(header)
        stack[index] = stored
        stack[index] *= stack.dtype.type(header.slope)
        stack[index] += stack.dtype.type(header.intercept)
        if padding is not None:
            stack[index][stored == padding] = AIR_HU
    return stack


def read_brightness(slices: Sequence[SliceHeader]) -> FloatArray:
    """The stack of an MR as (slice, row, column) float32, in whatever unit its scanner has; padding is its darkest.

    Most MR has no rescale slope; where a scanner tells one, slices that differ in it are brought to one scale.

    Raises:
        MixedSeries: some of the slices tell their slope, and others do not.
        NoPixelData, TruncatedDicom, UndecodablePixels, ColourImage: what they say.
    """
    if len({header.slope is None for header in slices}) > 1:
        raise MixedSeries("Some slices of the series say how their stored values are scaled, and others do not.")
    stack = np.empty((len(slices), *slices[0].shape), dtype=np.float32)
    padded = False
    for index, header in enumerate(slices):
        stored, padding = _read_slice(header)
        stack[index] = stored
        stack[index] *= header.slope or 1.0  # a slope of 0 would make every image black, and nobody means that
        stack[index] += header.intercept or 0.0
        if padding is not None:
            stack[index][stored == padding] = np.nan
            padded = True
    if padded:
        np.nan_to_num(stack, copy=False, nan=float(np.fmin.reduce(stack, axis=None)))
    return stack


def _check_one_series(headers: Sequence[SliceHeader]) -> None:
    if len({header.series_uid for header in headers}) > 1:
        raise MixedSeries("The folder holds more than one series; give one series a folder.")
    if len({(header.kind, header.modality) for header in headers}) > 1:
        raise MixedSeries("The folder mixes the slices of a scan with other images, such as a localizer.")
    if len({header.shape for header in headers}) > 1:
        raise MixedSeries("The slices of the series differ in their numbers of rows and columns.")
    if any(h.orientation is None or h.position_mm is None or h.pixel_spacing_mm is None for h in headers):
        raise NoGeometry("The slices do not say where they lie (position, orientation or pixel spacing is missing).")
    if not _alike([header.orientation for header in headers], 1e-3):
        raise MixedSeries("The slices of the series differ in their orientation.")
    if not _alike([header.pixel_spacing_mm for header in headers], 1e-3):
        raise MixedSeries("The slices of the series differ in their pixel spacing.")


def _alike(rows: Sequence[Any], tolerance: float) -> bool:
    table = np.asarray(rows, dtype=float)
    return bool(np.isfinite(table).all() and np.abs(table - table[0]).max() <= tolerance)


def _normal(header: SliceHeader) -> NDArray[np.float64]:
    orientation = np.asarray(header.orientation, dtype=float)
    return np.cross(orientation[:3], orientation[3:])


def _sorted_along_normal(headers: Sequence[SliceHeader]) -> tuple[list[SliceHeader], NDArray[np.float64]]:
    """The slices in order, and their (n, 3) positions in LPS."""
    positions = np.asarray([header.position_mm for header in headers], dtype=float)
    order = np.argsort(positions @ _normal(headers[0]), kind="stable")
    positions = positions[order]
    if np.linalg.norm(np.diff(positions, axis=0), axis=1).min() < SAME_POSITION_MM:
        raise DuplicateSlicePosition("Two different slices of the series lie at the same position.")
    return [headers[int(index)] for index in order], positions


def _grid(slices: Sequence[SliceHeader], positions: NDArray[np.float64]) -> Grid:
    line = positions[-1] - positions[0]
    direction = line / np.linalg.norm(line)
    offsets = positions - positions[0]
    sideways = offsets - np.outer(offsets @ direction, direction)
    if np.abs(sideways).max() > SIDEWAYS_TOLERANCE_MM:
        raise MixedSeries("The slices of the series are shifted sideways against each other.")
    first = slices[0]
    orientation = np.asarray(first.orientation, dtype=float)
    row_mm, column_mm = first.pixel_spacing_mm or (0.0, 0.0)
    lps = np.eye(4)
    lps[:3, 0] = orientation[:3] * column_mm  # along a row, from column to column
    lps[:3, 1] = orientation[3:] * row_mm
    lps[:3, 2] = line / (len(slices) - 1)
    lps[:3, 3] = positions[0]
    return Grid(LPS_OF_RAS @ lps, (first.shape[1], first.shape[0], len(slices)))


def _check_gaps(positions: NDArray[np.float64]) -> float:
    """The distance from slice to slice in mm, if there is one."""
    gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    step = float(np.median(gaps))
    tolerance = max(SPACING_TOLERANCE_MM, SPACING_TOLERANCE_FRACTION * step)
    odd = gaps[np.abs(gaps - step) > tolerance]
    if odd.size == 0:
        return step
    steps = np.round(odd / step)
    if (steps >= 2).all() and (np.abs(odd - steps * step) <= tolerance * steps).all():
        raise MissingSlices(f"Slices are missing inside the series: {int((steps - 1).sum())} of them.")
    raise NonUniformSpacing("The distance between the slices of the series varies.")


def _gap_warning(slices: Sequence[SliceHeader], spacing: float) -> tuple[str, ...]:
    thickness = slices[0].thickness_mm
    if thickness is None or thickness >= GAP_FRACTION * spacing:
        return ()
    return (f"The slices have gaps: they are {thickness:g} mm thick and lie {spacing:g} mm apart.",)


def _repeat_warning(repeated: int) -> tuple[str, ...]:
    return (f"{repeated} files were copies of other files of the series and were passed over.",) if repeated else ()


def _check_rescale(header: SliceHeader) -> None:
    if header.slope is None or header.intercept is None or header.slope == 0:
        raise NonHounsfieldValues("The slices do not say how to turn stored values into Hounsfield units.")
    if header.rescale_type not in HOUNSFIELD_TYPES:
        raise NonHounsfieldValues("The slices hold another unit than Hounsfield units.")


def _read_slice(header: SliceHeader) -> tuple[NDArray[Any], int | None]:
    """Stored values (row, column) of one file, and the stored value that stands for padding, if any."""
    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(header.path, specific_tags=list(PIXEL_TAGS))
            if "PixelData" not in dataset:
                raise truncated() if ends_early(header.path) else NoPixelData("A slice of the series has no image.")
            if int(dataset.get("SamplesPerPixel") or 1) != 1:
                raise ColourImage("The slices are colour pictures, not the values of a scan.")
            _check_complete(dataset)
            stored = dataset.pixel_array
    except (InputRefused, MemoryError):
        raise
    except Exception:  # decoders report damage with any error at all
        raise UndecodablePixels("The pixel data of a slice cannot be decoded.") from None
    if stored.ndim != 2:
        raise UndecodablePixels("A slice does not decode to one plane.")
    padding = dataset.get("PixelPaddingValue")
    return stored, None if padding is None else int(padding)


def _check_complete(dataset: pydicom.Dataset) -> None:
    """Refuse uncompressed pixel data that is shorter than its matrix.

    Raises:
        TruncatedDicom: bytes are missing.
    """
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    needed = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
    if len(dataset.PixelData) < needed:
        raise truncated()
