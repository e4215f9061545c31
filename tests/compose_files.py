"""The compose files as data, and the tools that can read them on this machine."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
GPU = ROOT / "docker-compose.gpu.yml"
OURS = {"hospital-agent": "hospital_agent", "central-server": "central_server", "dashboard": "dashboard"}
TOOLS = {"docker-compose": ["docker-compose"], "docker compose": ["docker", "compose"]}


def read(path: Path = COMPOSE) -> dict[str, Any]:
    """A compose file, with its anchors merged."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def services() -> dict[str, dict[str, Any]]:
    """Service name -> service."""
    found: dict[str, dict[str, Any]] = read()["services"]
    return found


def tool_works(command: list[str]) -> bool:
    """Whether this compose is installed; no engine has to run."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "version"], capture_output=True, check=False, timeout=60).returncode == 0
