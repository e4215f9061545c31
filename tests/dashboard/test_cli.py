import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from typer.testing import CliRunner

from dashboard.cli import main
from dashboard.security import LARGEST_BODY

RUNNER = CliRunner()


def status_of_a_large_body(address: str) -> int:
    """The status that a server answers with when it is told of a large body, before any of it was sent."""
    host, port = address.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST /_dash-update-component HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\n"
        connection.sendall(head.encode())
        return int(connection.recv(1000).split()[1])


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("DASHBOARD_"):
            monkeypatch.delenv(name)
    return monkeypatch


def test_a_missing_setting_ends_the_program_with_its_name(clean: pytest.MonkeyPatch) -> None:
    result = RUNNER.invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "DASHBOARD_CENTRAL_URL is missing" in result.stderr


def test_a_port_in_use_is_told_in_a_sentence(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("DASHBOARD_CENTRAL_URL", "http://127.0.0.1:9")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = RUNNER.invoke(main, ["serve", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "DASHBOARD_PORT cannot be listened on" in result.stderr


def test_the_program_serves_on_a_free_port_and_stops_when_told(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("DASHBOARD_CENTRAL_URL", "http://127.0.0.1:9")
    command = [sys.executable, "-c", "from dashboard.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        try:
            address = program.stderr.readline().split()[-1]
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline:
                with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:  # noqa: S310
                    if answer.status == 200:
                        break
            assert status_of_a_large_body(address) == 413
            program.send_signal(signal.SIGTERM)
            assert program.wait(timeout=90) == 0
        finally:
            program.kill()
