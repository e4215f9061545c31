"""The REST API as a document: it changes on purpose only, and its examples are true.

After a change on purpose: `central-server openapi > tests/contract/openapi.json`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from central_server.api import examples
from central_server.app import create_app
from central_server.settings import Settings
from shared import read_models
from shared.report import SiteReport

GOLDEN = Path(__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings(lead_password="$argon2id$none", database_url="sqlite:///none.sqlite")).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {o["operationId"]: o for path in document["paths"].values() for o in path.values()}


def test_the_document_is_the_golden_one(document: dict[str, Any]) -> None:
    assert document == json.loads(GOLDEN.read_text())


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")


def test_every_operation_has_an_id_a_summary_and_an_example(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len(found) == sum(len(path) for path in document["paths"].values())
    for name, operation in found.items():
        assert operation["summary"], name
        if name != "sign_out":
            told = [r["content"]["application/json"] for s, r in operation["responses"].items() if s in ("200", "201")]
            assert any("example" in content for content in told), name


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    wanted = {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert wanted <= set(document["components"]["schemas"])


def test_the_examples_are_as_their_schemas_say(document: dict[str, Any]) -> None:
    checked = 0
    for operation in operations(document).values():
        bodies = [r.get("content", {}) for r in operation["responses"].values()]
        bodies.append(operation.get("requestBody", {}).get("content", {}))
        for content in (body["application/json"] for body in bodies if "application/json" in body):
            if "example" in content:
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
                checked += 1
    assert checked >= 18


def test_the_example_report_is_one_that_the_server_takes() -> None:
    report = SiteReport.model_validate(examples.report())
    assert report.metrics
    assert report.detectors


def test_the_documents_models_are_those_that_clients_read(document: dict[str, Any]) -> None:
    for name in ("MetricSeries", "SiteDetail", "DriftSeries", "RateSeries", "DetectorSeries", "AlertView"):
        model = getattr(read_models, name)
        described = document["components"]["schemas"][name]["properties"]
        assert set(described) == set(model.model_fields)
