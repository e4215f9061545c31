"""A simulated volume as a DICOM CT series in a folder, the way a scanner's archive would deliver it."""

import hashlib
import os
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.scanner import Scanner

KERNEL_NAMES = {"soft": "B20f", "standard": "B40f", "sharp": "B70f"}


def write_series(volume: Volume, folder: Path, *, patient: str, scanner: Scanner, site: str) -> None:
    """Write the series beside `folder` and move it there in one step, so that no half series is ever seen.

    Args:
        volume: (Z, Y, X) HU, Z towards the head.
        folder: the series' own folder in an inbox; must not exist yet.
        patient: an invented identifier.
    """
    fresh = folder.with_name(f".{folder.name}.new")
    fresh.mkdir(parents=True)
    series = _uid(site, patient, "series")
    study = _uid(site, patient, "study")
    # The first slice in the file order is the topmost one, as most scanners number them.
    for number, z in enumerate(reversed(range(volume.shape[0])), start=1):
        slice_ = _slice(volume, z, number, patient, scanner, site, study, series)
        slice_.save_as(fresh / f"{number:04d}.dcm", enforce_file_format=True)
    os.replace(fresh, folder)


def _uid(*parts: str) -> UID:
    return UID(generate_uid(entropy_srcs=[hashlib.sha256("/".join(parts).encode()).hexdigest()]))


def _slice(
    volume: Volume, z: int, number: int, patient: str, scanner: Scanner, site: str, study: UID, series: UID
) -> Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(series, str(number))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.Modality, image.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.PatientID, image.PatientName = patient, f"Simulated^{patient}"
    image.Manufacturer, image.InstitutionName = "SegWatch simulator", site
    image.ConvolutionKernel = KERNEL_NAMES[scanner.kernel]
    image.XRayTubeCurrent = round(200 * scanner.dose)
    image.InstanceNumber = number
    dz, dy, dx = volume.spacing_mm
    x0, y0, z0 = volume.origin_mm
    image.SliceThickness, image.PixelSpacing = f"{dz:.4f}", [f"{dy:.4f}", f"{dx:.4f}"]
    image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image.ImagePositionPatient = [f"{x0:.4f}", f"{y0:.4f}", f"{z0 + z * dz:.4f}"]
    image.FrameOfReferenceUID = _uid(study, "frame")
    image.RescaleSlope, image.RescaleIntercept, image.RescaleType = "1", "-1024", "HU"
    image.Rows, image.Columns = volume.shape[1], volume.shape[2]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.PixelData = np.clip(volume.array[z] + 1024, 0, 4095).astype("<u2").tobytes()
    return image
