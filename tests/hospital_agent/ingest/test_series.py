"""Reading series and NIfTI files: what comes out right, and every refusal by its name."""

import math
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

from hospital_agent import errors
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.errors import InputRefused
from hospital_agent.ingest.dicom_headers import read_header
from hospital_agent.ingest.series import identify, read_series
from tests.series_files import (
    AXIAL,
    SECRET_NAME,
    SECRET_PATIENT,
    chest_values,
    cut_short,
    encode_as,
    rewrite,
    write_nifti,
    write_series,
)

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def refusal(source: Path, expected: type[InputRefused]) -> InputRefused:
    """Read an input that must be refused under exactly this name, in a sentence that names nobody."""
    with pytest.raises(InputRefused) as caught:
        read_series(source)
    assert type(caught.value) is expected, caught.value
    sentence = str(caught.value)
    assert sentence.endswith((".", "?"))
    assert " " in sentence
    assert all(word not in sentence for word in (SECRET_NAME, SECRET_PATIENT, str(source)))
    return caught.value


class TestDicomSeries:
    def test_values_spacing_and_origin_come_back(self, tmp_path: Path) -> None:
        values = chest_values()
        volume = read_series(write_series(tmp_path / "s", values)).volume
        np.testing.assert_array_equal(volume.array, values)
        assert volume.array.dtype == np.int16
        assert volume.spacing_mm == pytest.approx((3.0, 1.0, 1.5))
        assert volume.origin_mm == pytest.approx((-10.0, -12.0, 100.0))

    def test_file_names_and_instance_numbers_are_not_trusted(self, tmp_path: Path) -> None:
        values = chest_values()
        volume = read_series(write_series(tmp_path / "s", values, reverse_names=True)).volume
        np.testing.assert_array_equal(volume.array, values)

    def test_a_stack_written_head_first_is_turned(self, tmp_path: Path) -> None:
        values = chest_values()
        volume = read_series(write_series(tmp_path / "s", values, step_mm=(0, 0, -3.0))).volume
        np.testing.assert_array_equal(volume.array, values[::-1])
        assert volume.origin_mm[2] == pytest.approx(100.0 - 3.0 * (len(values) - 1))

    def test_a_prone_patient_is_turned_to_the_same_axes(self, tmp_path: Path) -> None:
        values = chest_values()
        prone = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
        volume = read_series(write_series(tmp_path / "s", values, orientation=prone)).volume
        np.testing.assert_array_equal(volume.array, values[:, ::-1, ::-1])

    def test_copies_of_one_file_count_once(self, tmp_path: Path) -> None:
        folder = write_series(tmp_path / "s")
        (folder / "again.dcm").write_bytes((folder / "slice-0003.dcm").read_bytes())
        series = read_series(folder)
        assert series.volume.shape[0] == 12
        assert "copies" in series.warnings[0]

    def test_other_files_in_the_folder_do_not_matter(self, tmp_path: Path) -> None:
        folder = write_series(tmp_path / "s")
        (folder / "notes.txt").write_text("hello")
        assert read_series(folder).volume.shape[0] == 12

    def test_thin_slices_far_apart_are_read_with_a_warning(self, tmp_path: Path) -> None:
        def thin(dataset: pydicom.Dataset, _: int) -> None:
            dataset.SliceThickness = 1.25

        series = read_series(write_series(tmp_path / "s", edit=thin))
        assert series.warnings == ("The slices have gaps: they are 1.25 mm thick and lie 3 mm apart.",)

    def test_padding_becomes_air(self, tmp_path: Path) -> None:
        def pad(dataset: pydicom.Dataset, _: int) -> None:
            stored = np.frombuffer(dataset.PixelData, "<u2").copy().reshape(dataset.Rows, dataset.Columns)
            stored[:2] = 63536
            dataset.PixelData, dataset.PixelPaddingValue = stored.tobytes(), 63536

        volume = read_series(write_series(tmp_path / "s", edit=pad)).volume
        assert volume.array[:, :2].max() == volume.array.min() == -1024

    def test_rounded_positions_are_still_uniform(self, tmp_path: Path) -> None:
        def rounded(dataset: pydicom.Dataset, index: int) -> None:
            dataset.ImagePositionPatient = [-10.0, -12.0, round(0.625 * index, 1)]
            dataset.SliceThickness = 0.625

        volume = read_series(write_series(tmp_path / "s", edit=rounded)).volume
        assert volume.spacing_mm[0] == pytest.approx(0.625, abs=0.01)

    def test_fractional_slopes_keep_their_fractions(self, tmp_path: Path) -> None:
        def halves(dataset: pydicom.Dataset, _: int) -> None:
            dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, -1024

        volume = read_series(write_series(tmp_path / "s", chest_values() * 2 + 1025, edit=halves)).volume
        assert volume.array.dtype == np.float32
        assert (volume.array % 1 != 0).any()


class TestRefusedDicom:
    def test_an_empty_folder(self, tmp_path: Path) -> None:
        refusal(tmp_path, errors.EmptyFolder)

    def test_no_dicom_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("no")
        refusal(tmp_path, errors.NoDicomFiles)

    def test_a_file_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("no")
        refusal(tmp_path / "a.txt", errors.UnsupportedFile)

    @pytest.mark.parametrize("keep", [0.0, 0.02, 0.1, 0.25, 0.4, 0.5, 0.9, 0.999])
    def test_a_truncated_file_anywhere_it_is_cut(self, tmp_path: Path, keep: float) -> None:
        folder = write_series(tmp_path / "s")
        cut_short(folder / "slice-0005.dcm", keep)
        refusal(folder, errors.TruncatedDicom)

    @pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name.replace(" ", "_"))
    def test_a_header_cut_anywhere(self, tmp_path: Path, syntax: pydicom.uid.UID) -> None:
        (path,) = write_series(tmp_path / "s", chest_values((1, 6, 6))).iterdir()
        encode_as(path, syntax)
        whole, refused = path.read_bytes(), 0
        for length in (*range(128, 256), *range(256, len(whole), 9)):
            path.write_bytes(whole[:length])
            try:
                read_header(path)  # a cut between two elements may leave a header that is whole
            except errors.TruncatedDicom:
                refused += 1
        assert refused > 128

    @pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name.replace(" ", "_"))
    def test_a_whole_series_in_each_syntax_is_read(self, tmp_path: Path, syntax: pydicom.uid.UID) -> None:
        folder = write_series(tmp_path / "s", chest_values((4, 12, 10)))
        for path in folder.iterdir():
            encode_as(path, syntax)
        np.testing.assert_array_equal(read_series(folder).volume.array, chest_values((4, 12, 10)))

    def test_a_small_file_that_unpacks_to_a_very_large_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hospital_agent.ingest.dicom_headers.LARGEST_INFLATED_BYTES", 1 << 20)
        folder = write_series(tmp_path / "s", chest_values((4, 12, 10)))
        path = folder / "slice-0002.dcm"
        encode_as(path, DeflatedExplicitVRLittleEndian)
        packed, start = (
            path.read_bytes(),
            144 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength,
        )
        pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        parts = [pack.compress(zlib.decompress(packed[start:], -zlib.MAX_WBITS))]
        path.write_bytes(b"".join([packed[:start], *parts, pack.compress(bytes(3 << 20)), pack.flush()]))
        refusal(folder, errors.UndecodablePixels)

    def test_no_pixel_data(self, tmp_path: Path) -> None:
        def strip(dataset: pydicom.Dataset, _: int) -> None:
            del dataset.PixelData

        refusal(write_series(tmp_path / "s", edit=strip), errors.NoPixelData)

    def test_dicom_that_is_no_image(self, tmp_path: Path) -> None:
        def strip(dataset: pydicom.Dataset, _: int) -> None:
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
            del dataset.PixelData, dataset.Rows, dataset.Columns

        refusal(write_series(tmp_path / "s", edit=strip), errors.NoPixelData)

    @pytest.mark.parametrize(
        ("tag", "value", "expected"),
        [
            ("Modality", "MR", errors.NotACTSeries),
            ("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"], errors.LocalizerSeries),
            ("ImageType", ["DERIVED", "SECONDARY", "MPR"], errors.ReformattedSeries),
            ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7", errors.SecondaryCapture),
            ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2.1", errors.MultiFrameImage),
            ("RescaleType", "ED", errors.NonHounsfieldValues),
        ],
    )
    def test_other_kinds_of_images(self, tmp_path: Path, tag: str, value: object, expected: type[InputRefused]) -> None:
        def change(dataset: pydicom.Dataset, _: int) -> None:
            setattr(dataset, tag, value)

        refusal(write_series(tmp_path / "s", edit=change), expected)

    def test_colour_pictures(self, tmp_path: Path) -> None:
        def colour(dataset: pydicom.Dataset, _: int) -> None:
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0

        refusal(write_series(tmp_path / "s", edit=colour), errors.ColourImage)

    def test_two_series_in_one_folder(self, tmp_path: Path) -> None:
        def other(dataset: pydicom.Dataset, index: int) -> None:
            if index > 6:
                dataset.SeriesInstanceUID = "1.2.3"

        refusal(write_series(tmp_path / "s", edit=other), errors.MixedSeries)

    @pytest.mark.parametrize(
        ("tag", "value"),
        [
            ("ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
            ("PixelSpacing", [1.0, 2.0]),
            ("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
            ("ImagePositionPatient", [60.0, -12.0, 121.0]),
        ],
    )
    def test_slices_that_do_not_fit_together(self, tmp_path: Path, tag: str, value: object) -> None:
        def change(dataset: pydicom.Dataset, index: int) -> None:
            if index == 7:
                setattr(dataset, tag, value)

        refusal(write_series(tmp_path / "s", edit=change), errors.MixedSeries)

    def test_slices_of_two_sizes(self, tmp_path: Path) -> None:
        uid = generate_uid()
        folder = write_series(tmp_path / "s", chest_values((6, 24, 20)), series_uid=uid)
        write_series(tmp_path / "t", chest_values((6, 20, 20)), series_uid=uid, origin_mm=(-10.0, -12.0, 118.0))
        for path in (tmp_path / "t").iterdir():
            path.rename(folder / f"t-{path.name}")
        refusal(folder, errors.MixedSeries)

    def test_one_slice(self, tmp_path: Path) -> None:
        refusal(write_series(tmp_path / "s", chest_values((1, 24, 20))), errors.SingleSlice)

    def test_two_slices_at_one_position(self, tmp_path: Path) -> None:
        def same(dataset: pydicom.Dataset, index: int) -> None:
            if index == 4:
                dataset.ImagePositionPatient = [-10.0, -12.0, 115.0]

        refusal(write_series(tmp_path / "s", edit=same), errors.DuplicateSlicePosition)

    @pytest.mark.parametrize("skip", [(5,), (3, 4), (3, 8)])
    def test_missing_slices(self, tmp_path: Path, skip: tuple[int, ...]) -> None:
        error = refusal(write_series(tmp_path / "s", skip=skip), errors.MissingSlices)
        assert str(len(skip)) in str(error)

    def test_uneven_spacing(self, tmp_path: Path) -> None:
        def uneven(dataset: pydicom.Dataset, index: int) -> None:
            dataset.ImagePositionPatient = [-10.0, -12.0, 100.0 + 3.0 * index + (1.2 if index > 5 else 0.0)]

        refusal(write_series(tmp_path / "s", edit=uneven), errors.NonUniformSpacing)

    def test_gantry_tilt_is_seen_in_the_positions(self, tmp_path: Path) -> None:
        tilt = math.tan(math.radians(15))
        refusal(write_series(tmp_path / "s", step_mm=(0.0, 3.0 * tilt, 3.0)), errors.GantryTilt)

    def test_a_tilt_that_was_corrected_is_read(self, tmp_path: Path) -> None:
        def tilted(dataset: pydicom.Dataset, _: int) -> None:
            dataset.GantryDetectorTilt = 15.0

        assert read_series(write_series(tmp_path / "s", edit=tilted)).warnings == ()

    def test_an_oblique_series(self, tmp_path: Path) -> None:
        c, s = math.cos(math.radians(20)), math.sin(math.radians(20))
        refusal(write_series(tmp_path / "s", orientation=(1, 0, 0, 0, c, s)), errors.ObliqueVolume)

    def test_a_slight_rotation_is_only_told(self, tmp_path: Path) -> None:
        c, s = math.cos(math.radians(3)), math.sin(math.radians(3))
        series = read_series(write_series(tmp_path / "s", orientation=(1, 0, 0, 0, c, s)))
        assert "3.0 degrees" in series.warnings[0]

    @pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)])
    def test_coronal_and_sagittal_series(self, tmp_path: Path, orientation: tuple[float, ...]) -> None:
        refusal(write_series(tmp_path / "s", orientation=orientation), errors.NotAxial)

    def test_no_position(self, tmp_path: Path) -> None:
        def lost(dataset: pydicom.Dataset, _: int) -> None:
            del dataset.ImagePositionPatient

        refusal(write_series(tmp_path / "s", edit=lost), errors.NoGeometry)

    def test_no_rescale_intercept(self, tmp_path: Path) -> None:
        def lost(dataset: pydicom.Dataset, _: int) -> None:
            del dataset.RescaleIntercept

        refusal(write_series(tmp_path / "s", edit=lost), errors.NonHounsfieldValues)

    def test_values_that_cannot_be_hounsfield_units(self, tmp_path: Path) -> None:
        def shifted(dataset: pydicom.Dataset, _: int) -> None:
            dataset.RescaleIntercept = 0

        refusal(write_series(tmp_path / "s", edit=shifted), errors.NonHounsfieldValues)

    def test_pixels_that_no_decoder_reads(self, tmp_path: Path) -> None:
        def encapsulate(dataset: pydicom.Dataset) -> None:
            dataset.PixelData = pydicom.encaps.encapsulate([b"this is not a picture."])
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1

        folder = write_series(tmp_path / "s")
        rewrite(folder / "slice-0004.dcm", encapsulate)
        refusal(folder, errors.UndecodablePixels)


class TestNifti:
    def test_values_spacing_and_origin_come_back(self, tmp_path: Path) -> None:
        values = chest_values()
        volume = read_series(write_nifti(tmp_path / "v.nii.gz", values)).volume
        np.testing.assert_array_equal(volume.array, values)
        assert volume.spacing_mm == pytest.approx((3.0, 1.0, 1.5))

    @settings(max_examples=24, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(order=st.permutations("LPS"), flips=st.tuples(st.booleans(), st.booleans(), st.booleans()))
    def test_any_axis_order_gives_the_same_volume(
        self, tmp_path: Path, order: list[str], flips: tuple[bool, bool, bool]
    ) -> None:
        values = chest_values()
        reference = read_series(write_nifti(tmp_path / "a.nii", values)).volume
        image = nib.load(tmp_path / "a.nii")
        opposite = {"L": "R", "P": "A", "S": "I"}
        codes = tuple(opposite[c] if flip else c for c, flip in zip(order, flips, strict=True))
        turn = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
        )
        nib.save(image.as_reoriented(turn), tmp_path / "b.nii")
        volume = read_series(tmp_path / "b.nii").volume
        np.testing.assert_array_equal(volume.array, reference.array)
        assert volume.spacing_mm == pytest.approx(reference.spacing_mm)
        assert volume.origin_mm == pytest.approx(reference.origin_mm)

    def test_a_trailing_axis_of_length_one_is_dropped(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(chest_values().transpose(2, 1, 0)[..., None], np.diag([-1, -1, 1, 1.0]))
        nib.save(image, tmp_path / "v.nii")
        assert read_series(tmp_path / "v.nii").volume.shape == (12, 24, 20)

    def test_four_axes(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(np.stack([chest_values().transpose(2, 1, 0)] * 2, axis=-1), np.eye(4))
        nib.save(image, tmp_path / "v.nii")
        refusal(tmp_path / "v.nii", errors.NotThreeDimensional)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_values_that_are_not_finite(self, tmp_path: Path, bad: float) -> None:
        values = chest_values().astype(np.float32)
        values[3, 3, 3] = bad
        refusal(write_nifti(tmp_path / "v.nii.gz", values), errors.NotFiniteValues)

    def test_values_that_cannot_be_hounsfield_units(self, tmp_path: Path) -> None:
        refusal(write_nifti(tmp_path / "v.nii", (chest_values() + 1024).astype(np.int16)), errors.NonHounsfieldValues)
        scaled = chest_values().astype(np.float32) / 1000
        refusal(write_nifti(tmp_path / "v.nii", scaled), errors.NonHounsfieldValues)

    def test_a_twice_subtracted_intercept(self, tmp_path: Path) -> None:
        refusal(write_nifti(tmp_path / "v.nii", chest_values() - np.int16(1024)), errors.NonHounsfieldValues)

    @pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.9])
    @pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
    def test_a_truncated_file(self, tmp_path: Path, name: str, keep: float) -> None:
        cut_short(write_nifti(tmp_path / name, chest_values()), keep)
        refusal(tmp_path / name, errors.UnreadableNifti)

    @pytest.mark.parametrize(
        ("at", "value"),
        [(70, struct.pack("<h", 7)), (108, struct.pack("<f", 1.0)), (108, struct.pack("<f", 1e30))],
        ids=["type", "offset_inside_the_header", "offset_beyond_everything"],
    )
    def test_a_header_that_cannot_be(self, tmp_path: Path, at: int, value: bytes) -> None:
        path = write_nifti(tmp_path / "v.nii", chest_values())
        content = bytearray(path.read_bytes())
        content[at : at + len(value)] = value
        path.write_bytes(bytes(content))
        refusal(path, errors.UnreadableNifti)

    def test_no_orientation(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti1Image(chest_values().transpose(2, 1, 0), None), tmp_path / "v.nii")
        refusal(tmp_path / "v.nii", errors.NoGeometry)

    def test_an_oblique_grid(self, tmp_path: Path) -> None:
        c, s = math.cos(math.radians(30)), math.sin(math.radians(30))
        turned = np.array([[-c, s, 0, 0], [-s, -c, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1.0]])
        refusal(write_nifti(tmp_path / "v.nii", chest_values(), affine=turned), errors.ObliqueVolume)

    def test_a_sheared_grid(self, tmp_path: Path) -> None:
        sheared = np.array([[-1, 0, 0, 0], [0, -1, 0.8, 0], [0, 0, 3, 0], [0, 0, 0, 1.0]])
        refusal(write_nifti(tmp_path / "v.nii", chest_values(), affine=sheared), errors.GantryTilt)

    def test_one_slice(self, tmp_path: Path) -> None:
        refusal(write_nifti(tmp_path / "v.nii", chest_values((1, 24, 20))), errors.SingleSlice)

    def test_colours(self, tmp_path: Path) -> None:
        colours = np.zeros((20, 24, 12), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        nib.save(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "v.nii")
        refusal(tmp_path / "v.nii", errors.ColourImage)


class TestMasks:
    def volume_and_mask(self, tmp_path: Path) -> tuple[Path, np.ndarray]:
        path = write_nifti(tmp_path / "v.nii.gz", chest_values())
        mask = np.zeros((12, 24, 20), dtype=np.uint8)
        mask[4:7, 8:12, 5:9] = 1
        return path, mask

    def test_a_mask_in_another_axis_order_lands_on_the_same_voxels(self, tmp_path: Path) -> None:
        path, mask = self.volume_and_mask(tmp_path)
        write_nifti(tmp_path / "m.nii", mask)
        image = nib.as_closest_canonical(nib.load(tmp_path / "m.nii"))
        nib.save(image, tmp_path / "turned.nii")
        np.testing.assert_array_equal(read_series(path).read_mask(tmp_path / "turned.nii"), mask.astype(bool))

    def test_labels_above_one_belong_to_the_mask(self, tmp_path: Path) -> None:
        path, mask = self.volume_and_mask(tmp_path)
        mask[9, 9, 9] = 3
        read = read_series(path).read_mask(write_nifti(tmp_path / "m.nii", mask))
        assert read.dtype == np.bool_
        assert read.sum() == (mask > 0).sum()

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
    def test_labels_of_any_type_are_read(self, tmp_path: Path, dtype: type) -> None:
        path, mask = self.volume_and_mask(tmp_path)
        mask[9, 9, 9] = 100
        stored, small = mask.astype(dtype), dtype in (np.int8, np.uint8)
        stored[9, 9, 8] = 1 if small else 300
        labels = read_series(path).read_labels(write_nifti(tmp_path / "m.nii", stored))
        assert sorted(np.unique(labels)) == ([0, 1, 100] if small else [0, 1, 100, 255])

    @pytest.mark.parametrize("change", ["shape", "spacing", "place"])
    def test_a_mask_on_another_grid(self, tmp_path: Path, change: str) -> None:
        path, mask = self.volume_and_mask(tmp_path)
        if change == "shape":
            other = write_nifti(tmp_path / "m.nii", mask[:-1])
        elif change == "spacing":
            other = write_nifti(tmp_path / "m.nii", mask, (3.0, 1.0, 1.0))
        else:
            affine = np.diag([-1.5, -1.0, 3.0, 1.0])
            affine[2, 3] = 3.0
            other = write_nifti(tmp_path / "m.nii", mask, affine=affine)
        with pytest.raises(errors.MaskGeometryMismatch):
            read_series(path).read_mask(other)

    @pytest.mark.parametrize("values", [0.5, -1.0])
    def test_something_else_than_a_mask(self, tmp_path: Path, values: float) -> None:
        path, mask = self.volume_and_mask(tmp_path)
        other = write_nifti(tmp_path / "m.nii", (mask * np.float32(values)).astype(np.float32))
        with pytest.raises(errors.NotAMask):
            read_series(path).read_mask(other)

    def test_a_written_mask_lies_on_the_source_voxel_by_voxel(self, tmp_path: Path) -> None:
        path, mask = self.volume_and_mask(tmp_path)
        nib.save(nib.as_closest_canonical(nib.load(path)), tmp_path / "ras.nii.gz")
        series = read_series(tmp_path / "ras.nii.gz")
        series.write_mask(tmp_path / "out.nii.gz", mask.astype(bool))
        written, source = nib.load(tmp_path / "out.nii.gz"), nib.load(tmp_path / "ras.nii.gz")
        np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
        assert written.shape == source.shape
        np.testing.assert_array_equal(series.read_mask(tmp_path / "out.nii.gz"), mask.astype(bool))

    def test_a_mask_of_a_dicom_series_comes_back(self, tmp_path: Path) -> None:
        series = read_series(write_series(tmp_path / "s", step_mm=(0, 0, -3.0)))
        mask = np.zeros(series.volume.shape, dtype=bool)
        mask[2, 3, 4] = True
        series.write_mask(tmp_path / "out.nii.gz", mask)
        image = nib.load(tmp_path / "out.nii.gz")
        i, j, k = np.argwhere(np.asarray(image.dataobj))[0]
        x, y, z = (image.affine @ [i, j, k, 1])[:3]
        ox, oy, oz = series.volume.origin_mm
        assert (-x, -y, z) == pytest.approx((ox + 4 * 1.5, oy + 3 * 1.0, oz + 2 * 3.0))
        np.testing.assert_array_equal(series.read_mask(tmp_path / "out.nii.gz"), mask)


class TestIdentity:
    def test_a_series_sent_twice_is_the_same(self, tmp_path: Path) -> None:
        uid = generate_uid()
        first = identify(write_series(tmp_path / "a", series_uid=uid))
        second = identify(write_series(tmp_path / "b", series_uid=uid))
        assert first.series == second.series
        assert first.patient == SECRET_PATIENT
        assert first.instances != second.instances
        assert first.content != second.content

    def test_the_same_images_with_another_header_are_the_same_images(self, tmp_path: Path) -> None:
        folder = write_series(tmp_path / "a")
        before = identify(folder)
        rewrite(folder / "slice-0003.dcm", lambda dataset: setattr(dataset, "StationName", "CT2"))
        after = identify(folder)
        assert (before.series, before.instances) == (after.series, after.instances)
        assert before.content != after.content

    def test_names_and_order_of_the_files_do_not_matter(self, tmp_path: Path) -> None:
        folder = write_series(tmp_path / "a")
        before = identify(folder)
        (folder / "slice-0001.dcm").rename(folder / "z.dcm")
        assert identify(folder) == before

    def test_it_never_shows_itself(self, tmp_path: Path) -> None:
        identity = identify(write_series(tmp_path / "a"))
        assert identity.series not in repr(identity)
        assert SECRET_PATIENT not in repr(identity)

    def test_a_nifti_file_may_name_its_patient(self, tmp_path: Path) -> None:
        assert identify(write_nifti(tmp_path / "p7__chest.nii.gz", chest_values())).patient == "p7"
        assert identify(write_nifti(tmp_path / "chest.nii.gz", chest_values())).patient is None

    def test_a_copy_of_a_nifti_file_is_the_same(self, tmp_path: Path) -> None:
        one = write_nifti(tmp_path / "a.nii", chest_values())
        (tmp_path / "b.nii").write_bytes(one.read_bytes())
        assert identify(one).series == identify(tmp_path / "b.nii").series

    def test_refused_inputs_have_an_identity_too(self, tmp_path: Path) -> None:
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / "a.txt").write_text("x")
        assert identify(tmp_path / "s") == identify(tmp_path / "s")
        assert identify(tmp_path / "s").patient is None


@pytest.mark.data
class TestRealData:
    def test_every_chest_ct_is_read(self, data: Path) -> None:
        paths = sorted((data / "chest_ct").glob("*.nii.gz"))
        assert len(paths) >= 6
        for path in paths:
            volume = read_series(path).volume
            assert volume.array.min() == -1024

    def test_an_uncompressed_series(self, data: Path) -> None:
        volume = read_series(data / "dicom" / "lungdx_A0002_B40f").volume
        assert volume.shape == (30, 512, 512)
        assert volume.spacing_mm == pytest.approx((8.0, 0.646484375, 0.646484375))
        assert _agrees(volume, read_series(data / "chest_ct" / "lungdx_A0002_B40f.nii.gz").volume)

    def test_a_jpeg_lossless_series_with_gaps(self, data: Path) -> None:
        series = read_series(data / "dicom" / "ricord1A_000082_every4th")
        assert series.volume.spacing_mm[0] == pytest.approx(5.0)
        assert "gaps" in series.warnings[0]
        assert _agrees(series.volume, read_series(data / "chest_ct" / "ricord1A_000082.nii.gz").volume)

    def test_localizers_are_refused_by_name(self, data: Path) -> None:
        refusal(data / "dicom" / "localizers", errors.LocalizerSeries)


def _agrees(native: Volume, resampled: Volume) -> bool:
    """Whether the same place in the body has about the same HU in a native series and its resampled copy."""
    rng = np.random.default_rng(0)
    index = rng.uniform(0.2, 0.8, size=(400, 3)) * (np.asarray(native.shape) - 1)
    index = np.rint(index).astype(int)
    place = np.asarray(native.origin_mm)[::-1] + index * native.spacing_mm
    there = np.rint((place - np.asarray(resampled.origin_mm)[::-1]) / resampled.spacing_mm).astype(int)
    inside = ((there >= 0) & (there < resampled.shape)).all(axis=1)
    a, b = native.array[tuple(index[inside].T)], resampled.array[tuple(there[inside].T)]
    return inside.sum() > 300 and np.corrcoef(a, b)[0, 1] > 0.8


def test_axial_is_what_the_standard_means() -> None:
    assert np.cross(AXIAL[:3], AXIAL[3:]).tolist() == [0.0, 0.0, 1.0]
