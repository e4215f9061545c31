"""Our own images, built from the repository as the docs say, under a tag of this check."""

from contextlib import suppress
from pathlib import Path

from demo.compose.docker import Docker, Project, builder_settings
from demo.compose.site import ROOT
from demo.programs import ProgramFailed

OURS = ("central-server", "dashboard", "hospital-agent")
LONGEST_BUILD_S = 3 * 3600.0


def build(docker: Docker, compose: tuple[str, ...], folder: Path, version: str) -> dict[str, float]:
    """Build all three; the engine keeps what has not changed since the last time, and drops what was replaced.

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
        image = f"segwatch/{name}:{version}"
        before = _id_of(docker, image)
        project("build", name, seconds=LONGEST_BUILD_S)
        if before not in (None, _id_of(docker, image)):
            with suppress(ProgramFailed):  # somebody's container may still stand on it
                docker("rmi", str(before))
        sizes[name] = size_gb(docker, image)
    return sizes


def _id_of(docker: Docker, image: str) -> str | None:
    try:
        return docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    except ProgramFailed:
        return None


def size_gb(docker: Docker, name: str) -> float:
    """How large an image is, with everything that it stands on."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", name)) / 1e9
