"""The centre, the dashboard and the three hospitals of one run, wired as their settings wire them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.centre_api import CentreApi
from demo.patients import SITES, Site
from demo.programs import Programs, free_port, new_secret, run_once, wait_until_up
from demo.relay import Line

# What differs from an installation: a hospital closes a window once a day and waits for 100 patients; the demo has
# minutes. The alarm line, the detectors and every rule are those that a hospital runs.
STATISTICS = {"AGENT_WINDOW_LENGTH_S": "12", "AGENT_BASELINE_PATIENTS": "25", "AGENT_K": "5"}
# How often to look, not what to conclude: a real inbox is polled every few seconds and waits a minute for stragglers.
PACE = {"AGENT_POLL_S": "0.3", "AGENT_QUIET_PERIOD_S": "1", "AGENT_SIGN_OF_LIFE_S": "5", "AGENT_THREADS": "1"}
LONGEST_WINDOW_S = "3600"


@dataclass(frozen=True)
class Hospital:
    """One agent: its site, its folders and its environment."""

    site: Site
    inbox: Path
    data: Path
    environment: dict[str, str]

    @property
    def waiting(self) -> int:
        """Series in the inbox that are not yet analysed."""
        return sum(not entry.name.startswith(".") for entry in self.inbox.iterdir())

    def ask(self, *command: str) -> Any:
        """Run `hospital-agent COMMAND` as this hospital and read the JSON it prints."""
        return json.loads(run_once(["hospital-agent", *command], self.environment))

    def ask_lines(self, *command: str) -> list[Any]:
        """Run a command that prints one JSON object a line."""
        return [json.loads(line) for line in run_once(["hospital-agent", *command], self.environment).splitlines()]


class Federation(CentreApi):
    """One centre, one dashboard, three hospitals.

    Args:
        programs: starts and stops them.
        lines: whether hospitals reach the centre over lines that can be cut.
    """

    def __init__(self, programs: Programs, *, lines: bool = False) -> None:
        self.folder = programs.folder.resolve()
        self.programs = programs
        super().__init__(f"http://127.0.0.1:{free_port()}", "lead", new_secret())
        self.dashboard = f"http://127.0.0.1:{free_port()}"
        self.hospitals: tuple[Hospital, ...] = ()
        self.central = {
            "CENTRAL_DATABASE_URL": f"sqlite:///{self.folder / 'central.sqlite'}",
            "CENTRAL_LEAD_NAME": self.lead,
            "CENTRAL_LEAD_PASSWORD": self.password,
            "CENTRAL_PORT": self.api.rpartition(":")[2],
        }
        port = int(self.api.rpartition(":")[2])
        self.lines = {site.name: Line(port) for site in SITES} if lines else {}

    def start(self) -> None:
        """Start everything and wait until it answers."""
        run_once(["central-server", "migrate"], self.central)
        self.hospitals = tuple(self._register(site) for site in SITES)
        server = self.programs.start("central-server", ["central-server", "serve"], self.central)
        wait_until_up(f"{self.api}/readyz", server)
        page = self.programs.start("dashboard", ["dashboard", "serve"], self._dashboard_environment())
        for hospital in self.hospitals:
            self.programs.start(hospital.site.name, ["hospital-agent", "run"], hospital.environment)
        wait_until_up(f"{self.dashboard}/healthz", page)

    def _register(self, site: Site) -> Hospital:
        home = self.folder / site.name
        inbox, data, key = home / "inbox", home / "data", home / "site.key"
        inbox.mkdir(parents=True)
        data.mkdir()
        run_once(
            ["central-server", "sites", "add", site.name, "--title", site.title, "--key-file", str(key)], self.central
        )
        environment = {
            "AGENT_SITE": site.name,
            "AGENT_INBOX": str(inbox),
            "AGENT_DATA_DIR": str(data),
            "AGENT_CENTRAL_URL": self._centre_for(site),
            "AGENT_SITE_KEY_FILE": str(key),
            "AGENT_MAX_WINDOW_AGE_S": LONGEST_WINDOW_S,
            "AGENT_AFTER": "delete",
            **STATISTICS,
            **PACE,
        }
        return Hospital(site, inbox, data, environment)

    def _centre_for(self, site: Site) -> str:
        line = self.lines.get(site.name)
        return self.api if line is None else f"http://127.0.0.1:{line.port}"

    def _dashboard_environment(self) -> dict[str, str]:
        return {
            "DASHBOARD_CENTRAL_URL": self.api,
            "DASHBOARD_PORT": self.dashboard.rpartition(":")[2],
            "DASHBOARD_REFRESH_S": "5",
        }
