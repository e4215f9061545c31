"""Requests that nobody thought of: the server answers each as its document says, and none with a fault of its own."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.central_world import WRITING_TOKEN, World, running

DOCUMENT = json.loads((Path(__file__).parents[1] / "contract" / "openapi.json").read_text())
OPERATIONS = [(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods]
OURS = ("/api/v1/reports/", "/api/v1/agents")
UNFIT = ("positive_data_acceptance", "ignored_auth", "missing_required_header", "unsupported_method")
"""Checks that would need a report whose id fits its address, or that send requests of their own without a key."""


@pytest.fixture(scope="module")
def told(quick_folder: Path, sqlite_templates: dict[str, Path]) -> Iterator[World]:
    path = quick_folder / "fuzzing.sqlite"
    shutil.copy(sqlite_templates["told"], path)
    with running(f"sqlite:///{path}", failed_sign_ins_per_minute=100000) as world:
        world.add_site("south-clinic")
        yield world


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_breaks_the_server(told: World, path: str, method: str) -> None:
    load_all_checks()
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", told.client.app)
    key = told.keys["south-clinic"] if path.startswith(OURS) else WRITING_TOKEN
    unfit = [CHECKS.get_one(name) for name in UNFIT if name in CHECKS.get_all_names()]

    @given(case=schema[path][method].as_strategy())
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code < 500
        case.validate_response(answer, excluded_checks=unfit)

    ask()
