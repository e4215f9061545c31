"""What the demo puts into an inbox is a CT series like any other: read back, it is the same volume."""

import numpy as np
import pydicom

from demo.dicom_writer import write_series
from demo.patients import CHANGED_SCANNER, CHANGED_SITE, SITES, PatientStream, as_int16
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.ingest.series import read_series
from hospital_agent.simulation.scanner import Scanner


def test_a_written_series_is_read_back_as_the_same_volume(tmp_path):
    array = np.random.default_rng(0).integers(-1000, 1000, size=(6, 8, 10)).astype(np.int16)
    volume = Volume(array, (5.0, 2.0, 2.5), origin_mm=(-12.0, -8.0, 100.0))
    write_series(volume, tmp_path / "s", patient="SIM1", scanner=Scanner("sharp"), site="A")
    again = read_series(tmp_path / "s").volume
    assert np.array_equal(again.array, array)
    np.testing.assert_allclose(again.spacing_mm, volume.spacing_mm)
    np.testing.assert_allclose(again.origin_mm, volume.origin_mm)


def test_no_half_series_is_ever_seen(tmp_path):
    write_series(
        Volume(np.zeros((3, 4, 4), np.int16), (1, 1, 1)), tmp_path / "s", patient="a", scanner=Scanner(), site="A"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]
    assert len(list((tmp_path / "s").iterdir())) == 3


def test_patients_differ_and_have_their_own_series(tmp_path):
    seen = set()
    for patient in ("a", "b"):
        volume = Volume(np.zeros((2, 4, 4), np.int16), (1, 1, 1))
        write_series(volume, tmp_path / patient, patient=patient, scanner=Scanner(), site="A")
        header = pydicom.dcmread(tmp_path / patient / "0001.dcm")
        seen.add((header.PatientID, header.SeriesInstanceUID, header.StudyInstanceUID))
    assert len({s[1] for s in seen}) == len({s[2] for s in seen}) == 2


def test_a_patient_is_the_same_whenever_asked_for_and_small_enough_for_the_demo():
    stream = PatientStream(SITES[0])
    first, again = (stream.patient(4, SITES[0].scanner) for _ in range(2))
    assert np.array_equal(first.volume.array, again.volume.array)
    assert max(first.volume.shape) <= 96
    assert as_int16(first.volume).array.dtype == np.int16


def test_at_least_forty_percent_have_no_lesion():
    for site in SITES:
        stream = PatientStream(site)
        assert np.mean([stream.is_healthy(number) for number in range(1, 101)]) >= 0.4


def test_the_new_scanner_differs_in_kernel_dose_and_slices():
    changed, usual = CHANGED_SCANNER, SITES[1].scanner
    assert (SITES[1].name, changed.kernel != usual.kernel) == (CHANGED_SITE, True)
    assert changed.slice_mm != usual.slice_mm
    assert changed.dose != usual.dose
