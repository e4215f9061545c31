"""Every refusal as RFC 9457 problem+json, in sentences that echo nothing of what was sent."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from central_server.errors import CentralError, NotSignedIn, TooManyAttempts
from central_server.intake import broken_rules, names_in
from shared.read_models import AlertAction, Problem, SignIn

MEDIA_TYPE = "application/problem+json"
_KNOWN_NAMES = names_in(SignIn) | names_in(AlertAction) | {"body"}
_TITLES = {404: "Not found", 405: "Method not allowed", 400: "Bad request"}


def problem(status: int, slug: str, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem+json answer."""
    told = Problem(type=f"urn:segwatch:problem:{slug}", title=title, status=status, detail=detail)
    return Response(told.model_dump_json(), status, headers=headers, media_type=MEDIA_TYPE)


def internal_error() -> Response:
    """What a caller learns of a fault of ours: that it was recorded."""
    return problem(500, CentralError.slug, CentralError.title, "Something failed on our side; it was recorded.")


def refused(error: CentralError) -> Response:
    """The answer that a refusal of ours becomes."""
    headers = {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(error.status, error.slug, error.title, error.detail, headers)


def _refusal(_: Request, error: Exception) -> Response:
    return refused(error) if isinstance(error, CentralError) else internal_error()


def _invalid(_: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    own = {step for problem in problems if problem["loc"][0] != "body" for step in problem["loc"]}
    where = broken_rules(problems, _KNOWN_NAMES | own)
    return problem(422, "request-refused", "Request refused", f"The request is not as it should be {where}.")


def _framework(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return internal_error()
    title = _TITLES.get(error.status_code, "Request refused")
    slug = title.lower().replace(" ", "-")
    sentences = {404: "There is nothing at this address.", 405: "This address does not answer to this method."}
    detail = sentences.get(error.status_code, "The request could not be understood.")
    return problem(error.status_code, slug, title, detail, dict(error.headers or {}))


def install(app: FastAPI) -> None:
    """Answer every refusal of ours, of validation and of the framework as problem+json."""
    app.add_exception_handler(CentralError, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
