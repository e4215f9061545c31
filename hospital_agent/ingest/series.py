"""One input, a folder of DICOM files or a NIfTI file, to a `Volume` in LPS (CT in HU); or a refusal by name.

`identify` says whose series it is; `read_series` reads the voxels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Modality, Volume
from hospital_agent.errors import EmptyFolder, InputRefused, UnsupportedFile
from hospital_agent.ingest import nifti
from hospital_agent.ingest.dicom_headers import read_headers
from hospital_agent.ingest.dicom_series import arrange, read_brightness, read_hounsfield
from hospital_agent.ingest.geometry import Grid, to_volume_axes
from hospital_agent.ingest.values import as_brightness, as_hounsfield

PATIENT_SEPARATOR = "__"
DIGEST_CHUNK = 1 << 20


@dataclass(frozen=True)
class Identity:
    """Whose input this is, before pseudonyms. Never printed: `repr` shows no field.

    Args:
        patient: the patient's identifier, or None where the input does not say.
        series: what stays the same when the same series is sent again.
        instances: which images are in it; stays the same when they are sent again with other headers.
        content: its bytes.
    """

    patient: str | None = field(repr=False)
    series: str = field(repr=False)
    instances: str = field(repr=False)
    content: str = field(repr=False)


@dataclass(frozen=True, eq=False)
class Series:
    """A volume with where it came from.

    Args:
        volume: (Z, Y, X) in LPS.
        source_grid: the grid of the input itself, on which masks are written back.
        lps_grid: the same voxels with axes (L, P, S), to compare masks with.
        warnings: sentences for a person.
    """

    volume: Volume
    source_grid: Grid
    lps_grid: Grid
    warnings: tuple[str, ...]

    def read_mask(self, path: Path) -> BoolArray:
        """A mask of this volume from a NIfTI file; see `nifti.read_mask`."""
        return nifti.read_mask(path, self.lps_grid)

    def read_labels(self, path: Path) -> NDArray[np.uint8]:
        """Labels of this volume from a NIfTI file; see `nifti.read_labels`."""
        return nifti.read_labels(path, self.lps_grid)

    def write_mask(self, path: Path, mask: BoolArray) -> None:
        """Write a mask of this volume as NIfTI on the grid of the input."""
        nifti.write_mask(path, mask, self.source_grid)

    def write_map(self, path: Path, values: FloatArray) -> None:
        """Write a map of this volume as NIfTI on the grid of the input."""
        nifti.write_map(path, values, self.source_grid)


def read_series(source: Path | Sequence[Path], modality: Modality = "CT") -> Series:
    """Read an input.

    Args:
        source: a folder of DICOM files, one NIfTI file, one DICOM file, or the files of one series.
        modality: what it must be. DICOM says what it is, and another one is refused; NIfTI does not, and is believed
            as far as its numbers can be HU where CT is wanted.

    Raises:
        InputRefused: one of its children, by name.
    """
    if isinstance(source, Path) and source.is_file() and nifti.is_nifti(source):
        array, grid, warnings = nifti.read_nifti(source)
        return _series(array, grid, warnings, modality)
    slices, grid, warnings = arrange(read_headers(_dicom_files(source)), modality)
    stack = read_brightness(slices) if modality == "MR" else read_hounsfield(slices)
    return _series(stack.transpose(2, 1, 0), grid, warnings, modality)


def identify(source: Path | Sequence[Path]) -> Identity:
    """Whose input this is; works for most inputs that are refused as well, so that each is handled once.

    A NIfTI file names its patient by what stands before `__` in its name; without that the patient is unknown, and
    all unknown patients count as one.
    """
    files = _files_of(source)
    content = _digest_of(files)
    if isinstance(source, Path) and source.is_file() and nifti.is_nifti(source):
        before, separator, _ = source.name.partition(PATIENT_SEPARATOR)
        return Identity(before if separator and before else None, content, content, content)
    try:
        headers = read_headers(_dicom_files(source))
    except InputRefused:
        name = source.name if isinstance(source, Path) else ""
        return Identity(None, f"{name}\0{content}", content, content)
    return Identity(
        patient=headers[0].patient_id,
        series="\0".join(sorted({header.series_uid for header in headers})),
        instances="\0".join(sorted({header.sop_uid for header in headers})),
        content=content,
    )


def _series(array: NDArray[Any], grid: Grid, warnings: tuple[str, ...], modality: Modality) -> Series:
    lps_grid = grid.in_lps()
    x, y, z = lps_grid.spacing_mm
    turned = np.ascontiguousarray(to_volume_axes(array, grid))
    values = as_brightness(turned) if modality == "MR" else as_hounsfield(turned)
    volume = Volume(values, (z, y, x), lps_grid.origin_lps_mm, modality)
    return Series(volume, grid, lps_grid, warnings)


def _files_of(source: Path | Sequence[Path]) -> list[Path]:
    """All files of an input, sorted by name; files whose name begins with a dot do not count."""
    if not isinstance(source, Path):
        return sorted(source)
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))


def _dicom_files(source: Path | Sequence[Path]) -> list[Path]:
    files = _files_of(source)
    if isinstance(source, Path) and source.is_file() and not _begins_as_dicom(source):
        raise UnsupportedFile("The file is neither NIfTI (.nii, .nii.gz) nor DICOM.")
    if not files:
        raise EmptyFolder("The folder holds no files.")
    return files


def _begins_as_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _digest_of(files: Sequence[Path]) -> str:
    """SHA-256 over the bytes of all files, whatever they are called and in whatever order they lie there."""
    digests = []
    for path in files:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(DIGEST_CHUNK):
                digest.update(chunk)
        digests.append(digest.digest())
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
