"""Report v1 as other programs and other versions know it: its JSON Schema, and reports that were sent before.

A change here changes the contract between hospitals and the centre. If it is wanted, both programs of the version
before must still understand each other; then write the schema anew:

    python -m tests.contract.test_report_v1
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shared.report import SiteReport
from tests.report_factory import SiteStory, reports_of

SCHEMA_FILE = Path(__file__).with_name("report_v1.schema.json")
SENT_FILE = Path(__file__).with_name("report_v1.sent.json")


def schema_now() -> dict[str, Any]:
    return SiteReport.model_json_schema() | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(SCHEMA_FILE.read_text())


def test_schema_is_the_agreed_one(schema):
    assert schema_now() == schema, "The wire model has changed: see the first lines of this file."


def test_schema_is_a_schema_and_forbids_unknown_fields(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    objects = [schema, *schema["$defs"].values()]
    assert all(thing["additionalProperties"] is False for thing in objects if thing.get("type") == "object")


def test_reports_that_were_sent_before_still_parse(schema):
    bodies = json.loads(SENT_FILE.read_text())
    assert {body["kind"] for body in bodies} == {"window", "baseline"}
    assert {body["status"] for body in bodies} == {"released", "suppressed"}
    for body in bodies:
        jsonschema.validate(body, schema)
        report = SiteReport.model_validate(body)
        assert json.loads(report.model_dump_json()) == body


def test_what_is_sent_now_obeys_the_schema(schema):
    validator = jsonschema.Draft202012Validator(schema)
    sent = list(reports_of(SiteStory("north-clinic", drift_from=12)))[:16]
    assert {report.kind for report in sent} == {"window", "baseline"}
    for report in sent:
        validator.validate(json.loads(report.model_dump_json()))


def test_schema_refuses_what_the_model_refuses(schema):
    body = json.loads(SENT_FILE.read_text())[0]
    for key, value in (("site", "North Clinic"), ("schema_version", 2), ("patient_name", "x"), ("revision", -1)):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body | {key: value}, schema)


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(schema_now(), indent=1, sort_keys=True) + "\n")
