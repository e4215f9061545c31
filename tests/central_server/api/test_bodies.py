"""Nobody fills the server's memory: a body beyond 16 KiB is refused before it is read, reports apart."""

import asyncio

import pytest
from starlette.types import Message, Receive

from central_server.api.bodies import LARGEST_BODY, SmallBodies
from shared.read_models import Problem
from tests.central_world import World
from tests.report_factory import SiteStory, body_of, reports_of

ALERT = "/api/v1/alerts/7ebb261b-41b7-5fc0-889e-e2dbbd691fdc"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/session"), ("POST", f"{ALERT}/acknowledge"), ("POST", f"{ALERT}/resolve"),
        ("DELETE", "/api/v1/session"), ("GET", "/api/v1/sites"), ("POST", "/api/v1/reports"), ("POST", "/nowhere"),
    ],
)  # fmt: skip
def test_a_large_body_is_refused_whoever_sends_it(small_world: World, method: str, path: str) -> None:
    answer = small_world.client.request(method, path, content=b" " * (LARGEST_BODY + 1))
    assert answer.status_code == Problem.model_validate_json(answer.content).status == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]


def ask(headers: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Send a body without an end; the status of the answer, and how many bytes were taken in until then."""
    taken, told = 0, 0

    async def receive() -> Message:
        nonlocal taken
        taken += 1024
        return {"type": "http.request", "body": b" " * 1024, "more_body": True}

    async def send(message: Message) -> None:
        nonlocal told
        told = message.get("status", told)

    async def reads_it_all(*_: object) -> None:
        raise AssertionError("the body must not come this far")

    scope = {"type": "http", "method": "POST", "path": "/api/v1/session", "headers": headers}
    asyncio.run(SmallBodies(reads_it_all)(scope, receive, send))
    return told, taken


def test_a_body_without_a_length_is_read_no_further_than_the_limit() -> None:
    assert ask([]) == (413, LARGEST_BODY + 1024)
    assert ask([(b"content-length", b"10")]) == (413, LARGEST_BODY + 1024)


def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    """An acknowledgement whose comment was cut off must not become one without a comment."""
    sent = [{"type": "http.request", "body": b'{"comm', "more_body": True}, {"type": "http.disconnect"}]
    waiting, passed_on = list(sent), []

    async def receive() -> Message:
        return waiting.pop(0)

    async def route(_: object, receive: Receive, __: object) -> None:
        passed_on.extend([await receive(), await receive()])

    async def send(_: Message) -> None: ...

    scope = {"type": "http", "method": "POST", "path": f"{ALERT}/acknowledge", "headers": []}
    asyncio.run(SmallBodies(route)(scope, receive, send))
    assert passed_on == sent


@pytest.mark.parametrize("length", [LARGEST_BODY + 1, 10**12])
def test_a_body_that_declares_itself_too_large_is_not_read_at_all(length: int) -> None:
    assert ask([(b"content-length", str(length).encode())]) == (413, 0)


def test_the_longest_comment_fits_in(told_world: World) -> None:
    """A thousand characters beyond the basic plane, each written as two escapes of six bytes."""
    path = f"/alerts/{told_world.alerts()[0]['alert_id']}/acknowledge"
    assert told_world.post(path, json={"comment": "\U0001fac1" * 1000}).status_code == 200


def test_reports_have_a_limit_of_their_own(small_world: World) -> None:
    small_world.add_site("north-clinic")
    report = reports_of(SiteStory("north-clinic", windows=1))[0]
    assert small_world.put(report, body_of(report) + b" " * LARGEST_BODY).status_code == 201
