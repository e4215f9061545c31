"""Our own images, built from the repository as the docs say, under a tag of this check."""

from pathlib import Path

from demo.compose.docker import Docker, Project, builder_settings
from demo.compose.site import ROOT

OURS = ("central-server", "dashboard", "hospital-agent")
LONGEST_BUILD_S = 3 * 3600.0


def build(docker: Docker, compose: tuple[str, ...], folder: Path, version: str) -> dict[str, float]:
    """Build all three; the engine keeps what has not changed since the last time.

    Args:
        folder: gets an empty file of settings, so that a `.env` beside the compose file is not read.
        version: the tag.

    Returns:
        Gigabytes of each image.
    """
    empty = folder / "empty.env"
    empty.touch()
    told = Docker(docker.host, {**builder_settings(docker), "SEGWATCH_VERSION": version})
    project = Project(told, (*compose, "--env-file", str(empty)), ROOT, "segwatch-check-build")
    sizes = {}
    for name in OURS:
        project("build", name, seconds=LONGEST_BUILD_S)
        sizes[name] = size_gb(docker, f"segwatch/{name}:{version}")
    return sizes


def size_gb(docker: Docker, name: str) -> float:
    """How large an image is, with everything that it stands on."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", name)) / 1e9
