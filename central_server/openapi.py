"""The OpenAPI 3.1 document, with the wire model of reports, which a route reads as bytes, put in by hand."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from central_server.api import examples
from shared.read_models import Problem
from shared.report import SiteReport

DESCRIPTION = (
    "Takes in aggregated reports of hospital sites and answers what a dashboard and other programs ask. "
    "A quality-monitoring aid, not for diagnosis."
)


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        schemas = made["components"]["schemas"]
        for model in (SiteReport, Problem):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        _add_examples(made)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = made
    return app.openapi_schema


def _add_examples(made: dict[str, Any]) -> None:
    """Beside the schema of each operation's success, what it looks like; FastAPI itself would drop their nulls."""
    known = examples.answers()
    for path in made["paths"].values():
        for operation in path.values():
            name = operation["operationId"]
            for status in ("200", "201"):
                content = operation["responses"].get(status, {}).get("content", {}).get("application/json")
                if content is not None and name in known:
                    content["example"] = known[name]
            if name == "put_report":
                operation["requestBody"]["content"]["application/json"]["example"] = examples.report()
