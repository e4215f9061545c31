"""The centre in containers: PostgreSQL, migration, server, dashboard and SuperLink from the compose file."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from demo.compose.docker import Project
from demo.compose.site import ROOT, SUPERLINK
from demo.programs import ProgramFailed, free_port, new_secret

SERVICES = ("postgres", "central-server", "superlink", "dashboard")


@dataclass
class ContainerCentre:
    """A centre, as docs/operations.md and docs/federation.md have a person install it."""

    project: Project
    password: str = field(default_factory=new_secret)
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("CENTRAL", "DASHBOARD", "SUPERLINK")}
    )

    @property
    def api(self) -> str:
        """Where the server is published on this machine."""
        return f"http://127.0.0.1:{self.ports['CENTRAL']}"

    @property
    def dashboard(self) -> str:
        """Where the dashboard is."""
        return f"http://127.0.0.1:{self.ports['DASHBOARD']}"

    def settle(self, version: str) -> None:
        """Make the folder with `.env` and secrets."""
        folder = self.project.folder
        folder.mkdir()
        shutil.copy(ROOT / "docker-compose.yml", folder)
        secrets = {"database_password": new_secret() + new_secret(), "dashboard_session": new_secret() + new_secret(),
                   "lead_password": self.password, "api_tokens": ""}  # fmt: skip
        (folder / "secrets").mkdir(mode=0o700)
        for name, text in secrets.items():
            path: Path = folder / "secrets" / name
            path.write_text(text)
            path.chmod(0o644)
        settings = {
            "SEGWATCH_VERSION": version,
            "SEGWATCH_AGENTS": "0",
            "DASHBOARD_SECURE_COOKIE": "false",  # a trial without TLS in front
            "DASHBOARD_REFRESH_S": "5",
            **{f"SEGWATCH_{name}_PORT": str(port) for name, port in self.ports.items()},
        }
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def start(self) -> None:
        """Certificates first, then everything."""
        self.project("run", "--rm", "-T", "superlink", "federation", "certificates", "--host", SUPERLINK, seconds=600)
        self.project("up", "-d", seconds=600)

    @property
    def authority(self) -> str:
        """The PEM that sites check the SuperLink's certificate against."""
        return self.project("exec", "-T", "superlink", "cat", "/var/lib/segwatch/ca.pem")

    def command(self, service: str, *command: str, told: str | None = None, seconds: float = 300.0) -> str:
        """`docker compose exec SERVICE central-server COMMAND`."""
        return self.project("exec", "-T", service, "central-server", *command, told=told, seconds=seconds)

    def knows(self, site: str, title: str) -> str:
        """Register a site; returns its key."""
        return self.command("central-server", "sites", "add", site, "--title", title).strip()

    def lets_in(self, site: str, node_key: str) -> bool:
        """Give a site's node key to the SuperLink; False while that does not answer."""
        try:
            self.command("superlink", "federation", "add-node", site, "-", told=node_key)
        except ProgramFailed:
            return False
        return True
