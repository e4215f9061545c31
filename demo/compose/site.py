"""A site in containers: its folder, its keys and its two programs, set up by the commands that the docs give."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.compose.docker import Project
from demo.federation import LONGEST_WINDOW_S, PACE, STATISTICS
from demo.patients import Site
from demo.programs import ProgramFailed

ROOT = Path(__file__).parents[2]
SERVER, SUPERLINK = "centre.example.org", "superlink.example.org"  # as sites dial them, on their own networks alone
AGENT_ID = 10001
AGENT, NODE = "hospital-agent", "federation-node"
# As docs/federation.md says: a folder of the site's own is mounted by an override file.
_OVERRIDE = """\
services:
  federation-node:
    environment: {AGENT_FEDERATION_IMAGES: /images}
    volumes: ["./images:/images:ro"]
"""


@dataclass(frozen=True)
class ContainerSite:
    """One hospital whose programs run in containers; asked as `demo.federation.Hospital` is."""

    site: Site
    project: Project

    @property
    def inbox(self) -> Path:
        """Where its scanner's archive puts series."""
        return self.project.folder / "inbox"

    @property
    def images(self) -> Path:
        """What federated jobs may look at."""
        return self.project.folder / "images"

    @property
    def waiting(self) -> int:
        """Series in the inbox that are not yet analysed."""
        return sum(not entry.name.startswith(".") for entry in self.inbox.iterdir())

    def ask(self, *command: str) -> Any:
        """`docker compose exec hospital-agent hospital-agent COMMAND`, and the JSON that it prints."""
        return json.loads(self._exec(command))

    def ask_lines(self, *command: str) -> list[Any]:
        """The same for a command that prints one JSON object a line."""
        return [json.loads(line) for line in self._exec(command).splitlines()]

    def _exec(self, command: tuple[str, ...]) -> str:
        return self.project("exec", "-T", AGENT, "hospital-agent", *command)

    def once(self, service: str, *command: str) -> str:
        """`docker compose run --rm SERVICE COMMAND`: what a person does before the programs run."""
        return self.project("run", "--rm", "-T", service, *command)

    def settle(self, version: str) -> None:
        """Make the folder as docs/operations.md has a person make it; keys come later."""
        folder = self.project.folder
        folder.mkdir()
        shutil.copy(ROOT / "docker-compose.yml", folder)
        (folder / "docker-compose.override.yml").write_text(_OVERRIDE)
        (folder / "secrets").mkdir(mode=0o700)
        self.inbox.mkdir()
        if os.geteuid() == 0:
            os.chown(self.inbox, AGENT_ID, AGENT_ID)
            self.inbox.chmod(0o2770)
        else:  # user 10001 is nobody whom we may give something to
            self.inbox.chmod(0o777)
        settings = {
            "SEGWATCH_VERSION": version,
            "SEGWATCH_AGENT_MEMORY": "4g",
            "AGENT_SITE": self.site.name,
            "AGENT_CENTRAL_URL": f"http://{SERVER}:8000",
            "AGENT_ALLOW_PLAIN_HTTP": "true",  # inside one private network; beyond that a proxy ends TLS
            "AGENT_FEDERATION_SUPERLINK": f"{SUPERLINK}:9092",
            "AGENT_AFTER": "delete",
            "AGENT_MAX_WINDOW_AGE_S": LONGEST_WINDOW_S,
            **STATISTICS,
            **PACE,
        }
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def secret(self, name: str, text: str) -> None:
        """Put a secret where the compose file looks for it."""
        path = self.project.folder / "secrets" / name
        path.write_text(text)
        path.chmod(0o644)

    def refuse_what_doctor_finds(self) -> str:
        """Run `doctor` in both services, before anything is started.

        Raises:
            ProgramFailed: a line does not say ok.
        """
        lines = [line for service in (AGENT, NODE) for line in self.once(service, "doctor").splitlines() if line]
        wrong = [line for line in lines if not line.startswith("ok")]
        if wrong or not lines:
            raise ProgramFailed(f"doctor at {self.site.name}: {'; '.join(wrong) or 'said nothing'}")
        return f"{len(lines)} lines of doctor, all ok"
