"""What can go wrong in the agent's plumbing.

    MonitoringError
    ├── AnalysisError            (see hospital_agent.analysis.errors)
    ├── InputRefused             an input cannot be analysed; carries `reason`, a slug that may be counted and sent
    │   ├── the folder:   EmptyFolder · NoDicomFiles · UnsupportedFile · MixedSeries · SeriesAlreadyScored
    │   ├── the file:     TruncatedDicom · NoPixelData · UndecodablePixels · ColourImage · MultiFrameImage
    │   │                 · UnreadableNifti
    │   ├── the kind:     NotACTSeries · NotAnMRSeries · LocalizerSeries · SecondaryCapture
    │   │                 · ReformattedSeries
    │   ├── the geometry: NoGeometry · SingleSlice · DuplicateSlicePosition · MissingSlices · NonUniformSpacing
    │   │                 · GantryTilt · ObliqueVolume · NotAxial · NotThreeDimensional
    │   ├── the values:   NonHounsfieldValues · NotFiniteValues
    │   └── the mask:     MaskGeometryMismatch · NotAMask
    ├── ModelNotAllowed          a model from elsewhere would run code, and the site has not allowed it
    ├── CaseFailed               an accepted input could not be analysed; carries `stage` and `reason`
    ├── StoreError               the database cannot be written: disk full, or no right to
    │   ├── StoreDamaged         the database fails its integrity check
    │   ├── StoreInUse           another agent holds the store
    │   ├── SecretChanged        the site secret is not the one with which the pseudonyms were made
    │   └── LedgerBroken         the hash chain of the egress ledger does not hold
    └── DeliveryError            the centre did not take a report; `permanent` decides between parking and retrying

A refusal's message says the rule that was broken, in words; it never holds a file name, an identifier or a position
in the patient.
"""

from typing import ClassVar

from shared.errors import MonitoringError


class InputRefused(MonitoringError):
    """An input cannot be analysed. `reason` is a fixed slug that may be counted; the message is for people."""

    reason: ClassVar[str] = "refused"


class EmptyFolder(InputRefused):
    """The folder holds no file."""

    reason = "empty_folder"


class NoDicomFiles(InputRefused):
    """The folder holds files, but none is DICOM."""

    reason = "no_dicom_files"


class UnsupportedFile(InputRefused):
    """A single file that is neither NIfTI nor DICOM."""

    reason = "unsupported_file"


class MixedSeries(InputRefused):
    """The slices do not belong to one series on one grid."""

    reason = "mixed_series"


class SeriesAlreadyScored(InputRefused):
    """Files of a series arrived after that series had been scored."""

    reason = "series_already_scored"


class TruncatedDicom(InputRefused):
    """A DICOM file ends early."""

    reason = "truncated_dicom"


class NoPixelData(InputRefused):
    """A DICOM file without an image in it."""

    reason = "no_pixel_data"


class UndecodablePixels(InputRefused):
    """Pixel data that no installed decoder can read."""

    reason = "undecodable_pixels"


class ColourImage(InputRefused):
    """Colour instead of one value a voxel."""

    reason = "colour_image"


class MultiFrameImage(InputRefused):
    """An enhanced multi-frame object instead of one file a slice."""

    reason = "multi_frame"


class UnreadableNifti(InputRefused):
    """A NIfTI file that is damaged."""

    reason = "unreadable_nifti"


class NotACTSeries(InputRefused):
    """Another modality than CT."""

    reason = "not_ct"


class NotAnMRSeries(InputRefused):
    """Another modality than MR, where a model for MR looks."""

    reason = "not_mr"


class LocalizerSeries(InputRefused):
    """A localizer (scout, topogram, survey) instead of slices."""

    reason = "localizer"


class SecondaryCapture(InputRefused):
    """Pictures made from a scan instead of its slices."""

    reason = "secondary_capture"


class ReformattedSeries(InputRefused):
    """Slices that were computed from other slices: projections and reformats."""

    reason = "reformatted"


class NoGeometry(InputRefused):
    """Nothing says where the voxels lie."""

    reason = "no_geometry"


class SingleSlice(InputRefused):
    """One slice is not a volume."""

    reason = "single_slice"


class DuplicateSlicePosition(InputRefused):
    """Two different slices at one position."""

    reason = "duplicate_slice_position"


class MissingSlices(InputRefused):
    """The gap between some slices is a multiple of the others."""

    reason = "missing_slices"


class NonUniformSpacing(InputRefused):
    """The distance between slices varies."""

    reason = "uneven_spacing"


class GantryTilt(InputRefused):
    """The slices are sheared against each other."""

    reason = "gantry_tilt"


class ObliqueVolume(InputRefused):
    """The grid is rotated against the body's axes."""

    reason = "oblique"


class NotAxial(InputRefused):
    """Coronal or sagittal slices."""

    reason = "not_axial"


class NotThreeDimensional(InputRefused):
    """Two, four or more axes."""

    reason = "not_three_dimensional"


class NonHounsfieldValues(InputRefused):
    """Values that cannot be Hounsfield units."""

    reason = "non_hu_values"


class NotFiniteValues(InputRefused):
    """NaN or infinite values."""

    reason = "not_finite"


class MaskGeometryMismatch(InputRefused):
    """A mask that lies on another grid than its volume."""

    reason = "mask_on_another_grid"


class NotAMask(InputRefused):
    """A file given as a mask that holds something else."""

    reason = "not_a_mask"


class ModelNotAllowed(MonitoringError):
    """Loading a model from elsewhere would run code, and its hash is not on the site's allow-list."""


class CaseFailed(MonitoringError):
    """An accepted input could not be analysed: counted as failed, never as a score of 0.

    Args:
        stage: where it happened: "read", "segmentation", ...
        reason: a fixed slug: "out_of_memory", "analysis_error", "unexpected_error", "crashed".
    """

    def __init__(self, message: str, *, stage: str, reason: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.reason = reason


class StoreError(MonitoringError):
    """The local store cannot be written, for a reason outside of it; base of what goes wrong in it."""


class StoreDamaged(StoreError):
    """The database fails its integrity check or belongs to another product."""


class StoreInUse(StoreError):
    """Another agent is running on the same store."""


class SecretChanged(StoreError):
    """The site secret is not the one with which the store's pseudonyms were made."""


class LedgerBroken(StoreError):
    """The egress ledger's hash chain does not hold."""


class DeliveryError(MonitoringError):
    """The centre did not take a report.

    Args:
        code: a fixed slug: "http_503", "conflict", "unreachable", "receipt_mismatch", ...
        permanent: repeating the same request cannot help; the report is parked until a person looks.
        retry_after_s: how long the centre asked to wait, if it did.
    """

    def __init__(self, message: str, *, code: str, permanent: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent
        self.retry_after_s = retry_after_s
