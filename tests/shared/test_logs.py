"""Nothing about a patient can stand in a log, whoever writes the record."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import logs

PATIENT_LIKE = (
    "1.2.840.113619.2.55.3.604688119.868.1",
    "DOE^JANE",
    "Doe, Jane",
    "19540317",
    "ACC-0047110815",
    "/srv/inbox/DOE_JANE/1.dcm",
    "https://central.example/api?token=abc",
    "2026-03-17",
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    before = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    logs.configure("debug", stream)
    yield stream
    logging.root.handlers[:] = before[0]
    logging.root.setLevel(before[1])
    logging.captureWarnings(False)
    logs._sink.stream, logs._sink.level = None, logs.LEVELS["info"]


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_listed_field_with_a_fitting_value_stays(stream: io.StringIO) -> None:
    logs.logger("worker").info("case_stored", site="north-clinic", duration_s=1.25, stage="ingest")
    (record,) = records(stream)
    assert record["event"] == "case_stored"
    assert record["logger"] == "worker"
    assert record["level"] == "info"
    assert (record["site"], record["duration_s"], record["stage"]) == ("north-clinic", 1.25, "ingest")
    assert "dropped" not in record


def test_an_unlisted_field_is_dropped_and_counted(stream: io.StringIO) -> None:
    before = logs.dropped_count()
    logs.logger("worker").info("case_stored", patient_id="4711", PatientName="DOE^JANE")
    (record,) = records(stream)
    assert record["dropped"] == 2
    assert logs.dropped_count() == before + 2
    assert "DOE" not in stream.getvalue()


@pytest.mark.parametrize("text", PATIENT_LIKE)
def test_no_field_takes_a_patient_like_text(stream: io.StringIO, text: str) -> None:
    logs.logger("worker").info("case_stored", **dict.fromkeys(logs.FIELDS, text))
    (record,) = records(stream)
    assert text not in json.dumps({name: value for name, value in record.items() if name != "at"})
    assert record["dropped"] == len(logs.FIELDS)


def test_an_event_is_a_name_from_the_code_and_never_a_sentence(stream: io.StringIO) -> None:
    logs.logger("worker").info("Refused the series of Jane Doe")
    logs.logger("worker").warning("refused %s", "DOE^JANE")
    assert [record["event"] for record in records(stream)] == ["unnamed_event"] * 2
    assert "DOE" not in stream.getvalue()
    assert "Doe" not in stream.getvalue()


def test_an_exception_leaves_its_class_and_place_and_not_its_message(stream: io.StringIO) -> None:
    from shared.clock import rfc3339

    try:
        rfc3339("DOE^JANE")  # type: ignore[arg-type]
    except AttributeError:
        logs.logger("worker").exception("case_failed", stage="ingest")
    (record,) = records(stream)
    assert record["error"] == "AttributeError"
    assert str(record["where"]).startswith("shared.clock:")
    assert "DOE" not in stream.getvalue()


def test_libraries_say_their_name_and_nothing_else(stream: io.StringIO) -> None:
    logging.getLogger("some_library.reader").warning("Bad value in PatientName %s", "DOE^JANE")
    (record,) = records(stream)
    assert (record["event"], record["library"]) == ("library_message", "some_library.reader")
    assert "DOE" not in stream.getvalue()


def test_libraries_below_warning_are_not_heard(stream: io.StringIO) -> None:
    logging.getLogger("sqlalchemy.engine").info("INSERT INTO cases VALUES ('DOE^JANE')")
    assert stream.getvalue() == ""


def test_records_below_the_level_are_not_written(stream: io.StringIO) -> None:
    logs.configure("warning", stream)
    logs.logger("worker").info("case_stored")
    logs.logger("worker").error("case_failed")
    assert [record["event"] for record in records(stream)] == ["case_failed"]


def test_bound_fields_obey_the_list_too(stream: io.StringIO) -> None:
    logs.logger("worker").bind(site="north-clinic", patient_id="DOE^JANE").info("case_stored")
    (record,) = records(stream)
    assert (record["site"], record["dropped"]) == ("north-clinic", 1)


def test_a_field_that_is_none_is_left_out_and_not_counted(stream: io.StringIO) -> None:
    logs.logger("worker").info("report_sent", report_id=None)
    (record,) = records(stream)
    assert "dropped" not in record
    assert "report_id" not in record


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="no log level 'loud'"):
        logs.configure("loud")


@given(field=st.text(max_size=20), value=st.text(alphabet=st.characters(categories=["Lu"]), min_size=3, max_size=30))
def test_capital_letters_never_pass_in_a_field_that_is_not_listed_for_them(field: str, value: str) -> None:
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    logs.configure("debug", stream)
    try:
        logs.logger("worker").info("case_stored", **{"site": value, f"x{field}": value, "metric": value})
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        logging.captureWarnings(False)
        logs._sink.stream = None
    assert json.loads(stream.getvalue())["dropped"] == 3
