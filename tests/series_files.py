"""Small DICOM series and NIfTI files on disk, whole or broken in one chosen way, for tests of the agent."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SECRET_NAME = "SURNAME^SECRET"
SECRET_PATIENT = "PATIENTID-4711-SECRET"

Edit = Callable[[FileDataset, int], None]


def chest_values(shape: tuple[int, int, int] = (12, 24, 20), seed: int = 0) -> NDArray[np.int16]:
    """(Z, Y, X) HU with air around, tissue inside, and a value that differs from voxel to voxel."""
    rng = np.random.default_rng(seed)
    values = np.full(shape, -1000, dtype=np.int16)
    inside = tuple(slice(length // 5, length - length // 5) for length in shape)
    values[inside] = rng.integers(-80, 120, size=values[inside].shape)
    return values


def brain_values(shape: tuple[int, int, int] = (12, 24, 20), seed: int = 0) -> NDArray[np.int16]:
    """(Z, Y, X) brightness of an MR: almost nothing around, tissue inside, and no unit."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 12, size=shape).astype(np.int16)
    inside = tuple(slice(length // 5, length - length // 5) for length in shape)
    values[inside] = rng.integers(250, 350, size=values[inside].shape)
    return values


def write_series(  # one argument for each thing that a test may want to be otherwise
    folder: Path,
    values: NDArray[Any] | None = None,
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 1.0, 1.5),
    origin_mm: tuple[float, float, float] = (-10.0, -12.0, 100.0),
    orientation: Sequence[float] = AXIAL,
    step_mm: Sequence[float] | None = None,
    patient: str = SECRET_PATIENT,
    series_uid: str | None = None,
    reverse_names: bool = False,
    skip: Sequence[int] = (),
    edit: Edit | None = None,
    modality: str = "CT",
) -> Path:
    """Write (Z, Y, X) HU, or whole brightness from 0 on of an MR, as one DICOM file a slice.

    Args:
        spacing_mm: (Z, Y, X).
        step_mm: LPS step from slice to slice; along the slice normal when not given.
        reverse_names: file names and InstanceNumber run against the slices' positions.
        skip: slices that are not written.
        edit: called with each data set and its slice number before it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = chest_values() if values is None else values
    series = series_uid or generate_uid()
    along = np.cross(orientation[:3], orientation[3:]) * spacing_mm[0] if step_mm is None else np.asarray(step_mm)
    count = len(values)
    for index in sorted(set(range(count)) - set(skip)):
        number = count - index if reverse_names else index + 1
        dataset = _dataset(values[index], series, patient, modality)
        dataset.InstanceNumber = number
        dataset.PixelSpacing = [spacing_mm[1], spacing_mm[2]]
        dataset.SliceThickness = spacing_mm[0]
        dataset.ImageOrientationPatient = list(orientation)
        dataset.ImagePositionPatient = [round(float(v), 4) for v in np.asarray(origin_mm) + index * along]
        if edit is not None:
            edit(dataset, index)
        dataset.save_as(folder / f"slice-{number:04d}.dcm", enforce_file_format=True)
    return folder


def _dataset(plane: NDArray[Any], series: str, patient: str, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage if modality == "MR" else CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.Modality = series, modality
    dataset.PatientID, dataset.PatientName = patient, SECRET_NAME
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = plane.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    stored = plane.astype(np.int32)
    if modality == "CT":
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        stored += 1024
    dataset.PixelData = stored.clip(0).astype("<u2").tobytes()
    return dataset


def write_nifti(
    path: Path,
    values: NDArray[Any],
    spacing_mm: tuple[float, float, float] = (3.0, 1.0, 1.5),
    affine: NDArray[np.float64] | None = None,
) -> Path:
    """Write (Z, Y, X) LPS values as NIfTI; spacing in (Z, Y, X). `affine` overrides where it lies."""
    z, y, x = spacing_mm
    nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), np.diag([-x, -y, z, 1.0]) if affine is None else affine), path)
    return path


def cut_short(path: Path, keep: float) -> None:
    """Keep only the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def encode_as(path: Path, syntax: UID) -> None:
    """Write one DICOM file again in another uncompressed or deflated transfer syntax."""
    dataset = pydicom.dcmread(path)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(
        path,
        dataset,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )


def rewrite(path: Path, edit: Callable[[FileDataset], None]) -> None:
    """Read one DICOM file, change it, write it back."""
    dataset = pydicom.dcmread(path)
    edit(dataset)
    dataset.save_as(path)
