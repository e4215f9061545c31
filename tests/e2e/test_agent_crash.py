"""The agent is killed (SIGKILL) at every step between score and central commit; everything still happens exactly once.

The agent runs in a forked process against a real HTTP server in this one; it kills itself when it reaches a named
point for the n-th time. Then a new agent starts on the same folder and finishes.
"""

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hospital_agent.reporting.sender import Central
from hospital_agent.store import ledger, outbox
from hospital_agent.store.tables import CaseRow
from hospital_agent.worker import MAX_ATTEMPTS
from tests.agent_site import KEY, Site, SmallCentral, TestClock

PATIENTS = 4
K = 3


class ServedCentral(SmallCentral):
    """The small centre behind a real socket; keeps how often each report came."""

    url: str

    def client(self) -> Central:
        return Central(self.url, KEY)


@pytest.fixture
def central() -> Iterator[ServedCentral]:
    small = ServedCentral(TestClock())

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, receipt = small.store(self.path.rsplit("/", 1)[-1], body)
            small.calls.append(f"PUT {status}")
            self._reply(status, receipt)

        def do_GET(self) -> None:
            self._reply(200, small.view())

        def _reply(self, status: int, content: object) -> None:
            import json

            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    small.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield small
    server.shutdown()
    thread.join()
    server.server_close()


def day(site: Site) -> None:
    """Everything in the inbox is handled, its window closes and its report is sent."""
    site.settle()
    site.clock.pass_time(days=1)
    site.worker.round()


def run_until_killed(folder: Path, central: ServedCentral, point: str, occurrence: int) -> bool:
    """Run a day in a child that kills itself at the n-th time it reaches a point; whether it got there."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    left = occurrence

    def die(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        day(Site(folder, central=central, reached=die, k=K))
    finally:
        os._exit(0)


POINTS = [
    ("begun", 1), ("analysed", 2), ("stored", 1), ("stored", PATIENTS),
    ("filed", PATIENTS), ("windows_closed", 3), ("before_delivery", 1), ("delivered", 1),
]  # fmt: skip


@pytest.mark.parametrize(("point", "occurrence"), POINTS)
def test_killed_anywhere_everything_happens_exactly_once(
    tmp_path: Path, central: ServedCentral, point: str, occurrence: int
) -> None:
    prepared = Site(tmp_path, central=central, k=K)
    for number in range(PATIENTS):
        prepared.drop(f"p{number}", number)
    prepared.store.close()
    assert run_until_killed(tmp_path, central, point, occurrence)

    again = Site(tmp_path, central=central, k=K)
    day(again)
    day(again)
    (report,) = central.reports()
    assert (report.status, report.patient_count) == ("released", PATIENTS)
    assert report.funnel is not None
    assert report.funnel.received.high == PATIENTS
    with again.store.read() as session:
        assert session.scalar(select(func.count()).select_from(CaseRow)) == PATIENTS
        assert ledger.verify(session).count == 1
        assert ledger.body_of(session, str(report.report_id)) == central.bodies[str(report.report_id)]
        assert outbox.counts(session) == {"waiting": 0, "sent": 1, "parked": 0}
    assert list(again.inbox.iterdir()) == []
    assert len(list((again.data / "done").rglob("*.nii"))) == PATIENTS
    again.store.close()


def test_a_delivery_whose_answer_was_lost_is_repeated_and_harmless(tmp_path: Path, central: ServedCentral) -> None:
    prepared = Site(tmp_path, central=central, k=K)
    for number in range(PATIENTS):
        prepared.drop(f"p{number}", number)
    prepared.store.close()
    assert run_until_killed(tmp_path, central, "delivered", 1)
    day(Site(tmp_path, central=central, k=K))
    assert central.calls == ["PUT 201", "PUT 200"]
    assert len(central.bodies) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_a_random_moment(tmp_path: Path, central: ServedCentral, seed: int) -> None:
    import random
    import time

    prepared = Site(tmp_path, central=central, k=K)
    for number in range(PATIENTS):
        prepared.drop(f"p{number}", number)
    prepared.store.close()
    for _ in range(MAX_ATTEMPTS - 1):  # once more on the same input, and it would be given up
        child = os.fork()
        if not child:
            try:
                day(Site(tmp_path, central=central, k=K))
            finally:
                os._exit(0)
        time.sleep(random.Random(seed).uniform(0.0, 0.8))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    again = Site(tmp_path, central=central, k=K)
    day(again)
    day(again)
    reports = central.reports()
    assert sum(report.patient_count or 0 for report in reports) == PATIENTS
    with again.store.read() as session:
        assert session.scalar(select(func.count()).select_from(CaseRow)) == PATIENTS
        ledger.verify(session)
    assert list(again.inbox.iterdir()) == []
    again.store.close()
