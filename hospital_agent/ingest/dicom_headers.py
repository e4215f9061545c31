"""What the headers of a folder of DICOM files say: which slices there are, of what kind, of whose series.

Only the tags in `HEADER_TAGS` are read. pydicom's own warnings and log lines can quote values of a patient, so they are
silenced around every call.
"""

import logging
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from hospital_agent.analysis.imaging.volume import Modality
from hospital_agent.errors import (
    EmptyFolder,
    InputRefused,
    LocalizerSeries,
    MultiFrameImage,
    NoDicomFiles,
    NoPixelData,
    NotACTSeries,
    NotAnMRSeries,
    ReformattedSeries,
    SecondaryCapture,
    TruncatedDicom,
    UndecodablePixels,
)

HEADER_TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "PatientID", "Modality", "ImageType",
    "NumberOfFrames", "SamplesPerPixel", "Rows", "Columns", "PixelSpacing", "SliceThickness",
    "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "RescaleType",
)  # fmt: skip

Kind = Literal["slice", "localizer", "secondary_capture", "reformatted", "multi_frame", "not_an_image"]
OF_A_MODALITY = ("slice", "reformatted")  # what the others are is worth saying whatever made them
SLICE_STORAGE = (CTImageStorage, MRImageStorage)

LOCALIZER_WORDS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "REF_SURVIEW", "SURVIEW"})
REFORMAT_WORDS = frozenset(
    {"REFORMATTED", "MPR", "CSA MPR", "MIP", "CSA MIP", "MINIP", "PROJECTION IMAGE", "VOLUME RENDERED", "VRT", "SSD"}
)
SECONDARY_CAPTURE_UID = "1.2.840.10008.5.1.4.1.1.7"  # and its multi-frame children .7.1 to .7.4
PREAMBLE_BYTES, GROUP_LENGTH_BYTES = 132, 12
LARGEST_INFLATED_BYTES = 256 << 20  # a slice of 4096 x 4096 pixels takes 32 MiB
CHUNK_BYTES = 1 << 20

logging.getLogger("pydicom").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class SliceHeader:
    """The tags of one file that decide whether and where it belongs. What names a person has no place in `repr`."""

    path: Path = field(repr=False)
    series_uid: str = field(repr=False)
    sop_uid: str = field(repr=False)
    patient_id: str | None = field(repr=False)
    kind: Kind
    modality: str
    shape: tuple[int, int]
    pixel_spacing_mm: tuple[float, float] | None
    thickness_mm: float | None
    orientation: tuple[float, ...] | None
    position_mm: tuple[float, ...] | None
    slope: float | None
    intercept: float | None
    rescale_type: str


def read_headers(files: Sequence[Path]) -> list[SliceHeader]:
    """The headers of all DICOM images among some files; other files are passed over.

    Raises:
        EmptyFolder: there is no file at all.
        NoDicomFiles: no file is DICOM.
        TruncatedDicom: a DICOM file ends early.
        NoPixelData: there are DICOM files, but none holds an image.
    """
    if not files:
        raise EmptyFolder("The folder holds no files.")
    found = [header for path in files if (header := read_header(path)) is not None]
    if not found:
        raise NoDicomFiles(f"The folder holds {len(files)} files, but none of them is DICOM.")
    images = [header for header in found if header.kind != "not_an_image"]
    if not images:
        raise NoPixelData("The folder holds DICOM files, but none of them contains an image.")
    return images


def read_header(path: Path) -> SliceHeader | None:
    """One file's header; None where the file is not DICOM.

    Raises:
        TruncatedDicom: the file begins as DICOM and cannot be read to the end of its header.
        UndecodablePixels: it is deflated and too large to be unpacked.
    """
    try:
        with quiet_pydicom():
            _check_inflated_size(path)
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER_TAGS))
            return _header(path, dataset)
    except InvalidDicomError:
        if path.suffix.lower() == ".dcm":
            raise truncated() from None
        return None
    except InputRefused:
        raise
    except Exception:  # damage shows as any error at all: struct.error, zlib.error, BytesLengthException, ...
        raise truncated() from None  # the cause may quote a patient's value, so it is not chained


def refuse_other_kinds(headers: Iterable[SliceHeader], modality: Modality) -> None:
    """Refuse, by its name, a folder in which no file is a slice of a modality.

    Raises:
        LocalizerSeries, SecondaryCapture, ReformattedSeries, MultiFrameImage
        NotACTSeries, NotAnMRSeries: it is of another modality.
    """
    kinds = {h.kind for h in headers if h.modality == modality or h.kind not in OF_A_MODALITY}
    if "slice" in kinds:
        return
    for kind, (error, sentence) in _REFUSED_KINDS.items():
        if kind in kinds:
            raise error(sentence)
    raise NotAnMRSeries("These images are not MR.") if modality == "MR" else NotACTSeries("These images are not CT.")


def truncated() -> TruncatedDicom:
    """The refusal of a file that ends early."""
    return TruncatedDicom("A DICOM file ends early or is damaged: it was not copied completely.")


def ends_early(path: Path) -> bool:
    """Whether a DICOM file stops inside an element, as a file does that was only partly copied."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dataset = pydicom.dcmread(path)
    except Exception:
        return True
    elements = list(dataset._dict.values())
    if not elements or any("End of file" in str(warning.message) for warning in caught):
        return True
    last = elements[-1]
    length, value = getattr(last, "length", 0), getattr(last, "value", b"")
    return isinstance(value, bytes) and 0 < length < 0xFFFFFFFF and len(value) < length


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings, which can quote a patient's values, from reaching any log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_inflated_size(path: Path) -> None:
    """Refuse a deflated file that is very large when unpacked: pydicom unpacks a file whole to read its header.

    Raises:
        UndecodablePixels: it is.
    """
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return
    inflated, unpack = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        file.seek(PREAMBLE_BYTES + GROUP_LENGTH_BYTES + meta.FileMetaInformationGroupLength)
        while packed := unpack.unconsumed_tail or file.read(CHUNK_BYTES):
            inflated += len(unpack.decompress(packed, CHUNK_BYTES))
            if inflated > LARGEST_INFLATED_BYTES:
                raise UndecodablePixels("A deflated DICOM file is too large to be unpacked.")


def _header(path: Path, dataset: FileDataset) -> SliceHeader | None:
    sop_class = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID", "")
    if sop_class == MediaStorageDirectoryStorage:
        return None
    series, instance = dataset.get("SeriesInstanceUID"), dataset.get("SOPInstanceUID")
    if not series or not instance:
        raise truncated()
    kind = _kind(sop_class, dataset)
    if kind == "not_an_image" and sop_class in SLICE_STORAGE and ends_early(path):
        raise truncated()
    return SliceHeader(
        path=path,
        series_uid=str(series),
        sop_uid=str(instance),
        patient_id=str(dataset.get("PatientID") or "").strip() or None,
        kind=kind,
        modality=str(dataset.get("Modality") or ""),
        shape=(int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)),
        pixel_spacing_mm=cast("tuple[float, float] | None", _numbers(dataset, "PixelSpacing", 2)),
        thickness_mm=_number(dataset, "SliceThickness"),
        orientation=_numbers(dataset, "ImageOrientationPatient", 6),
        position_mm=_numbers(dataset, "ImagePositionPatient", 3),
        slope=_number(dataset, "RescaleSlope"),
        intercept=_number(dataset, "RescaleIntercept"),
        rescale_type=str(dataset.get("RescaleType") or "").strip().upper(),
    )


def _kind(sop_class: str, dataset: FileDataset) -> Kind:
    if not dataset.get("Rows"):
        return "not_an_image"
    words = {str(word).strip().upper() for word in _listed(dataset.get("ImageType"))}
    if words & LOCALIZER_WORDS:
        return "localizer"
    if str(sop_class).startswith(SECONDARY_CAPTURE_UID):
        return "secondary_capture"
    if sop_class == EnhancedCTImageStorage or int(dataset.get("NumberOfFrames") or 1) > 1:
        return "multi_frame"
    return "reformatted" if words & REFORMAT_WORDS else "slice"


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _number(dataset: FileDataset, keyword: str) -> float | None:
    value = dataset.get(keyword)
    return None if value in (None, "") else float(value)


def _numbers(dataset: FileDataset, keyword: str, length: int) -> tuple[float, ...] | None:
    values = _listed(dataset.get(keyword))
    return tuple(float(value) for value in values) if len(values) == length else None


_REFUSED_KINDS: Mapping[Kind, tuple[type[InputRefused], str]] = {
    "localizer": (LocalizerSeries, "These are localizers (scouts), not the slices of a scan."),
    "reformatted": (ReformattedSeries, "These slices were computed from other slices; only original slices are read."),
    "secondary_capture": (SecondaryCapture, "These are pictures made from a scan (secondary capture), not its slices."),
    "multi_frame": (MultiFrameImage, "Multi-frame objects are not read; export the series with one file a slice."),
}
