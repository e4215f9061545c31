"""MR is read as it is: its own numbers, no HU asked of it; what else makes an input unfit is refused as in CT."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from hospital_agent import errors
from hospital_agent.errors import InputRefused
from hospital_agent.ingest.series import read_series
from tests.series_files import brain_values, cut_short, write_nifti, write_series

Change = Callable[[pydicom.Dataset, int], None]


def write_mr(folder: Path, values: np.ndarray | None = None, edit: Change | None = None) -> Path:
    return write_series(folder, brain_values() if values is None else values, modality="MR", edit=edit)


class TestDicom:
    def test_values_and_geometry_come_back_without_a_rescale_slope(self, tmp_path: Path) -> None:
        volume = read_series(write_mr(tmp_path / "s"), "MR").volume
        np.testing.assert_array_equal(volume.array, brain_values())
        assert (volume.modality, volume.array.dtype) == ("MR", np.float32)
        assert volume.spacing_mm == pytest.approx((3.0, 1.0, 1.5))
        assert volume.origin_mm == pytest.approx((-10.0, -12.0, 100.0))

    def test_slices_with_slopes_of_their_own_come_to_one_scale(self, tmp_path: Path) -> None:
        def scaled(dataset: pydicom.Dataset, index: int) -> None:
            factor = 1 + index % 3
            stored = np.frombuffer(dataset.PixelData, "<u2") * factor
            dataset.PixelData = stored.astype("<u2").tobytes()
            dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 2.0 / factor, 5, "normalized"

        volume = read_series(write_mr(tmp_path / "s", edit=scaled), "MR").volume
        np.testing.assert_allclose(volume.array, 2.0 * brain_values() + 5, rtol=1e-6)

    def test_a_slope_of_nothing_is_not_believed(self, tmp_path: Path) -> None:
        def nothing(dataset: pydicom.Dataset, _: int) -> None:
            dataset.RescaleSlope, dataset.RescaleIntercept = 0, 0

        np.testing.assert_array_equal(
            read_series(write_mr(tmp_path / "s", edit=nothing), "MR").volume.array, brain_values()
        )

    def test_slopes_in_some_slices_alone_are_refused(self, tmp_path: Path) -> None:
        def some(dataset: pydicom.Dataset, index: int) -> None:
            if index > 3:
                dataset.RescaleSlope = 3

        with pytest.raises(errors.MixedSeries, match="scaled"):
            read_series(write_mr(tmp_path / "s", edit=some), "MR")

    def test_padding_becomes_the_darkest_that_was_measured(self, tmp_path: Path) -> None:
        values = brain_values() + 7
        values[:, :2] = 4095

        def pad(dataset: pydicom.Dataset, _: int) -> None:
            dataset.PixelPaddingValue = 4095

        array = read_series(write_mr(tmp_path / "s", values, pad), "MR").volume.array
        assert (array[:, :2] == array[:, 2:].min()).all()
        np.testing.assert_array_equal(array[:, 2:], values[:, 2:])

    def test_nothing_but_padding_is_no_image(self, tmp_path: Path) -> None:
        def pad(dataset: pydicom.Dataset, _: int) -> None:
            dataset.PixelPaddingValue = 9

        with pytest.raises(errors.NotFiniteValues):
            read_series(write_mr(tmp_path / "s", np.full((4, 6, 6), 9), pad), "MR")

    def test_each_modality_is_refused_where_the_other_is_wanted(self, tmp_path: Path) -> None:
        ct, mr = write_series(tmp_path / "ct"), write_mr(tmp_path / "mr")
        with pytest.raises(errors.NotAnMRSeries, match="not MR") as caught:
            read_series(ct, "MR")
        assert caught.value.reason == "not_mr"
        with pytest.raises(errors.NotACTSeries, match="not CT"):
            read_series(mr)

    @pytest.mark.parametrize(
        ("tag", "value", "expected"),
        [
            ("Modality", "PT", errors.NotAnMRSeries),
            ("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"], errors.LocalizerSeries),
            ("ImageType", ["DERIVED", "SECONDARY", "MIP"], errors.ReformattedSeries),
            ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7", errors.SecondaryCapture),
            ("NumberOfFrames", 4, errors.MultiFrameImage),
            ("ImageOrientationPatient", [1.0, 0.0, 0.0, 0.0, 0.0, -1.0], errors.GantryTilt),
        ],
    )
    def test_what_else_is_refused(self, tmp_path: Path, tag: str, value: object, expected: type[InputRefused]) -> None:
        def change(dataset: pydicom.Dataset, _: int) -> None:
            setattr(dataset, tag, value)

        with pytest.raises(expected) as caught:
            read_series(write_mr(tmp_path / "s", edit=change), "MR")
        assert type(caught.value) is expected

    def test_reformatted_mr_is_no_ct_first_of_all(self, tmp_path: Path) -> None:
        def reformat(dataset: pydicom.Dataset, _: int) -> None:
            dataset.ImageType = ["DERIVED", "SECONDARY", "MPR"]

        with pytest.raises(errors.NotACTSeries):
            read_series(write_mr(tmp_path / "s", edit=reformat))

    def test_missing_slices(self, tmp_path: Path) -> None:
        folder = write_series(tmp_path / "s", brain_values(), modality="MR", skip=(4, 5))
        with pytest.raises(errors.MissingSlices):
            read_series(folder, "MR")

    @pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
    def test_a_slice_that_was_only_partly_copied(self, tmp_path: Path, keep: float) -> None:
        folder = write_mr(tmp_path / "s")
        cut_short(folder / "slice-0003.dcm", keep)
        with pytest.raises(errors.TruncatedDicom):
            read_series(folder, "MR")


class TestNifti:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
    def test_any_numbers_come_back_as_they_are(self, tmp_path: Path, dtype: type) -> None:
        values = (brain_values() // 2).astype(dtype)
        volume = read_series(write_nifti(tmp_path / "v.nii.gz", values), "MR").volume
        np.testing.assert_array_equal(volume.array, values)
        assert (volume.modality, volume.array.dtype) == ("MR", np.float32)

    def test_numbers_that_no_ct_could_have_are_read_and_none_is_clipped(self, tmp_path: Path) -> None:
        values = brain_values().astype(np.float32) * 1e4 - 3e5
        np.testing.assert_array_equal(read_series(write_nifti(tmp_path / "v.nii", values), "MR").volume.array, values)

    def test_where_ct_is_wanted_they_are_not_hounsfield_units(self, tmp_path: Path) -> None:
        with pytest.raises(errors.NonHounsfieldValues):
            read_series(write_nifti(tmp_path / "v.nii", brain_values()))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_what_is_no_number_is_refused(self, tmp_path: Path, bad: float) -> None:
        values = brain_values().astype(np.float32)
        values[3, 3, 3] = bad
        with pytest.raises(errors.NotFiniteValues):
            read_series(write_nifti(tmp_path / "v.nii", values), "MR")

    def test_four_axes_are_refused(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti1Image(np.ones((6, 6, 6, 2), np.int16), np.eye(4)), tmp_path / "v.nii")
        with pytest.raises(errors.NotThreeDimensional):
            read_series(tmp_path / "v.nii", "MR")
