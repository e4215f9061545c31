"""Images that a model is fitted to, and their references: found in two folders, named, and told apart by patient."""

from dataclasses import dataclass
from pathlib import Path

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.ingest.nifti import NIFTI_SUFFIXES, is_nifti
from hospital_agent.ingest.series import identify

CHANNEL = "_0000"  # nnU-Net ends the names of images, and not those of references, with their channel


@dataclass(frozen=True)
class Input:
    """One image to learn from.

    Args:
        path: a NIfTI file or a folder with the DICOM files of one series.
        name: without ending; its reference has the same name.
        patient: whose it is.
        reference: mask, or None.
    """

    path: Path
    name: str
    patient: str
    reference: Path | None


def find_inputs(images: Path, references: Path | None) -> list[Input]:
    """The inputs of a folder: its NIfTI files and its sub-folders, each one series, in the order of their names.

    The patient of a NIfTI file is what stands before `__` in its name; without that each file is a patient of its own.
    The patient of a DICOM series is its PatientID. The reference of `liver_07_0000.nii.gz` is `liver_07_0000.nii.gz` or
    `liver_07.nii.gz` among the references; that of a folder `s1` is `s1.nii.gz`.

    Raises:
        TooFewCases: there is nothing.
    """
    found = [path for path in sorted(images.iterdir()) if not path.name.startswith(".")]
    found = [path for path in found if path.is_dir() or is_nifti(path)]
    if not found:
        raise TooFewCases(f"The folder '{images.name}' holds no NIfTI file and no folder with a series.")
    return [_input(path, references) for path in found]


def _input(path: Path, references: Path | None) -> Input:
    name = path.name
    for suffix in sorted(NIFTI_SUFFIXES, key=len, reverse=True) if path.is_file() else ():
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    candidates = () if references is None else (name, name.removesuffix(CHANNEL))
    files = [references / f"{stem}{suffix}" for stem in candidates for suffix in NIFTI_SUFFIXES] if references else []
    return Input(path, name, identify(path).patient or name, next((file for file in files if file.is_file()), None))
