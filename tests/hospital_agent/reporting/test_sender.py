"""The sender: what is retried, what is parked, and that only the ledger's bytes count as delivered."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import stamina
from sqlalchemy import select

from hospital_agent.errors import DeliveryError
from hospital_agent.reporting.sender import Central, Sender
from hospital_agent.store import outbox
from hospital_agent.store.database import Store
from hospital_agent.store.tables import OutboxRow
from tests.agent_site import KEY, SmallCentral, TestClock
from tests.hospital_agent.store.test_outbox import report

Handler = Callable[[httpx2.Request], httpx2.Response]


class Wire:
    """A sender with one report waiting, and a centre whose answers the test gives."""

    def __init__(self, folder: Path) -> None:
        self.clock = TestClock()
        self.central = SmallCentral(self.clock)
        self.store = Store.open(folder)
        self.reached: list[str] = []
        self.sender = Sender(self.store, self.central.client(), self.clock, 60, self.reached.append, jitter=lambda: 0.5)
        with self.store.write() as session:
            outbox.put(session, report(0), self.clock.now)

    def send(self, answer: Handler | None = None) -> int:
        self.central.instead = answer
        return self.sender.send_due()

    def row(self) -> dict[str, object]:
        with self.store.read() as session:
            return outbox.listed(session)[-1]


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


@pytest.fixture(autouse=True)
def _no_waiting() -> object:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


def test_a_report_is_delivered_as_the_bytes_of_the_ledger(wire: Wire) -> None:
    assert wire.send() == 1
    (body,) = wire.central.bodies.values()
    assert body == report(0).model_dump_json().encode()
    assert (wire.row()["state"], wire.row()["last_code"]) == ("sent", None)
    assert wire.reached == ["before_delivery", "delivered"]


def test_nothing_is_sent_twice(wire: Wire) -> None:
    wire.send()
    assert wire.send() == 0
    assert len(wire.central.calls) == 1


def test_a_repeat_that_the_centre_already_has_counts_as_delivered(wire: Wire) -> None:
    body = report(0).model_dump_json().encode()
    wire.central.store(str(report(0).report_id), body)
    assert wire.send() == 1
    assert wire.row()["state"] == "sent"


@pytest.mark.parametrize("status", [401, 403, 407, 408, 425, 429, 500, 502, 503, 504, 302])
def test_what_may_pass_is_put_off(wire: Wire, status: int) -> None:
    wire.send(lambda _: httpx2.Response(status, text="<html>secret</html>"))
    assert (wire.row()["state"], wire.row()["last_code"]) == ("waiting", f"http_{status}")
    assert wire.send() == 0
    wire.clock.pass_time(hours=1)
    assert wire.send() == 1


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 422])
def test_what_repeating_cannot_help_is_parked(wire: Wire, status: int) -> None:
    wire.send(lambda _: httpx2.Response(status, json={"title": "no"}))
    assert (wire.row()["state"], wire.row()["last_code"]) == ("parked", f"http_{status}")
    wire.clock.pass_time(days=30)
    assert wire.send() == 0


def test_a_parked_report_does_not_hold_up_the_next(wire: Wire) -> None:
    with wire.store.write() as session:
        outbox.put(session, report(1), wire.clock.now)
    first = str(report(0).report_id)

    def refuse_first(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith(first):
            return httpx2.Response(422)
        status, receipt = wire.central.store(request.url.path.rsplit("/", 1)[-1], request.content)
        return httpx2.Response(status, json=receipt)

    assert wire.send(refuse_first) == 1


def test_an_unreachable_centre_is_tried_again_later_and_less_and_less_often(wire: Wire) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route to host with secret name")

    waits = []
    for attempt in range(14):
        wire.send(refuse)
        assert len(wire.central.calls) == 2 * (attempt + 1)  # a hiccup is tried once more at once
        with wire.store.read() as session:
            next_try_at = session.scalars(select(OutboxRow.next_try_at)).one()
        waits.append((next_try_at - wire.clock.now).total_seconds())
        assert wire.send(refuse) == 0
        wire.clock.now = next_try_at
    assert wire.row()["last_code"] == "unreachable"
    assert waits == [min(2.0**n, 3600.0) for n in range(14)]


def test_retry_after_is_obeyed(wire: Wire) -> None:
    wire.send(lambda _: httpx2.Response(503, headers={"Retry-After": "900"}))
    wire.clock.pass_time(seconds=899)
    assert wire.send() == 0
    wire.clock.pass_time(seconds=2)
    assert wire.send() == 1


def test_a_proxy_that_answers_200_with_a_page_is_not_the_centre(wire: Wire) -> None:
    wire.send(lambda _: httpx2.Response(200, html="<html>Please sign in</html>"))
    assert (wire.row()["state"], wire.row()["last_code"]) == ("waiting", "unexpected_answer")


def test_a_receipt_for_other_bytes_is_parked(wire: Wire) -> None:
    def other(request: httpx2.Request) -> httpx2.Response:
        receipt = {
            "report_id": str(report(0).report_id),
            "sha256": hashlib.sha256(b"other").hexdigest(),
            "received_at": wire.clock.now.isoformat(),
        }
        return httpx2.Response(201, content=json.dumps(receipt))

    wire.send(other)
    assert (wire.row()["state"], wire.row()["last_code"]) == ("parked", "receipt_mismatch")


@pytest.mark.parametrize("status", [401, 503])
def test_however_long_an_outage_lasts_nothing_is_parked(wire: Wire, status: int) -> None:
    with wire.store.write() as session:
        session.scalars(select(OutboxRow)).one().attempts = 5000
    wire.send(lambda _: httpx2.Response(status))
    assert wire.row()["state"] == "waiting"
    wire.clock.pass_time(hours=1)
    assert wire.send() == 1


def test_the_key_travels_in_the_header_alone(wire: Wire) -> None:
    wire.send()
    assert all(KEY not in call for call in wire.central.calls)


def test_a_sign_of_life_that_fails_does_no_harm(wire: Wire) -> None:
    wire.central.instead = lambda _: httpx2.Response(401)
    wire.sender.give_sign_of_life()
    assert wire.store.fact("sign_of_life_failure") == "http_401"
    wire.central.instead = None
    wire.clock.pass_time(seconds=61)
    wire.sender.give_sign_of_life()
    assert wire.store.fact("sign_of_life_failure") == ""
    assert wire.store.fact("clock_skew_s") == "0.0"


def test_a_refused_connection_over_a_real_socket(tmp_path: Path) -> None:
    central = Central("http://127.0.0.1:9", KEY)
    with pytest.raises(DeliveryError) as caught:
        central.check_in()
    assert (caught.value.code, caught.value.permanent) == ("unreachable", False)
    central.close()


def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    """A proxy that breaks TLS open has a certificate that this machine does not trust."""
    import ssl
    import threading
    from socket import create_server

    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            try:
                with server.accept()[0] as raw, context.wrap_socket(raw, server_side=True):
                    pass
            except OSError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    central = Central(f"https://127.0.0.1:{server.getsockname()[1]}", KEY)
    with pytest.raises(DeliveryError) as caught:
        central.check_in()
    assert caught.value.code == "unreachable"
    central.close()
    thread.join()
    server.close()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    import subprocess

    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key
