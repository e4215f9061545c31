"""No identifier, name, path or position of a patient is in any log, at the most talkative level."""

import io
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pydicom
import pytest

from shared import logs
from tests.agent_site import KEY, Site, quick_toolkit
from tests.series_files import SECRET_NAME, SECRET_PATIENT, chest_values, cut_short, rewrite, write_series

SECRET_UID = "1.2.826.0.1.3680043.8.498.4711.4711"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    logs.configure("debug", stream)
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)
    logs._sink.stream, logs._sink.level = None, logs.LEVELS["info"]


class Dying:
    """A segmenter whose error quotes the patient, as errors of libraries can."""

    def segment(self, volume: object) -> None:
        raise RuntimeError(f"cannot segment {SECRET_NAME} in /inbox/{SECRET_PATIENT}")


def test_nothing_about_a_patient_is_logged(tmp_path: Path, stream: io.StringIO) -> None:
    site = Site(tmp_path / SECRET_PATIENT)
    good = write_series(tmp_path / "good", chest_values((4, 12, 10)), series_uid=SECRET_UID)
    for number in range(6):
        copy = shutil.copytree(good, site.inbox / f"{SECRET_NAME}-{number}")
        for path in copy.iterdir():
            rewrite(path, lambda dataset, n=number: _rename(dataset, n))
    cut = shutil.copytree(good, site.inbox / f"{SECRET_NAME}-cut")
    cut_short(cut / "slice-0002.dcm", 0.7)
    invalid = shutil.copytree(good, site.inbox / f"{SECRET_NAME}-invalid")
    for path in invalid.iterdir():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"-1024", b"SECRE"))  # pydicom complains and quotes the value
    site.settle()
    site.central.instead = lambda request: httpx2.Response(500, text=SECRET_NAME)
    site.day(0, first=0)
    site.toolkit = quick_toolkit(segmenter=Dying())
    site.start()
    shutil.copytree(good, site.inbox / f"{SECRET_NAME}-dying")
    site.settle()
    text = stream.getvalue()
    for event in ("case_scored", "case_refused", "case_failed", "window_closed", "report_put_off"):
        assert event in text
    for secret in (SECRET_NAME, "SURNAME", SECRET_PATIENT, "4711", str(tmp_path), "SECRE", "slice-0002", KEY):
        assert secret not in text


def _rename(dataset: pydicom.Dataset, number: int) -> None:
    dataset.SeriesInstanceUID = f"{SECRET_UID}.{number}"
    dataset.PatientID = f"{SECRET_PATIENT}-{number}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{dataset.SOPInstanceUID[:50]}.{number}"
