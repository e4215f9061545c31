"""Commands of the agent, as an installed program runs them."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from hospital_agent.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in this process."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["hospital-agent", *map(str, arguments)])
        capfd.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        captured = capfd.readouterr()
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call
