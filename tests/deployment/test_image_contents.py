"""What the images' installs bring: every data file of a program, and torch for the agent alone."""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.compose_files import OURS, ROOT

HEAVY = {"torch", "scikit-image", "scikit-learn", "scipy", "monai", "nnunetv2"}
NOT_SHIPPED = {"Dockerfile"}


def _needed_by(extra: str) -> set[str]:
    """Every distribution that an extra of ours brings, directly or not, as far as it is installed here."""
    wanted, found = [Requirement(f"segwatch[{extra}]")], set[tuple[str, str]]()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        for chosen in ("", *requirement.extras):
            if (name, chosen) in found:
                continue
            found.add((name, chosen))
            wanted += [r for r in _required(name) if r.marker is None or r.marker.evaluate({"extra": chosen})]
    return {name for name, _ in found}


def _required(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return []


@pytest.mark.parametrize("extra", ["central", "dashboard"])
def test_no_dependency_of_the_server_or_the_dashboard_brings_torch(extra: str) -> None:
    needed = _needed_by(extra)
    assert not needed & HEAVY
    assert {"pydantic", "numpy", "pydantic-core"} <= needed  # the walk went more than one step deep


def test_the_walk_over_dependencies_would_find_torch() -> None:
    assert "torch" in _needed_by("segmentation")


BLOCKED_START = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "skimage", "sklearn", "scipy", "hospital_agent"}:
            raise ImportError(f"{name} is not in this image")

sys.meta_path.insert(0, Blocked())
import importlib
for module in sys.argv[1:]:
    importlib.import_module(module)
"""


def _start(*modules: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED_START, *modules]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("program", ["central_server", "dashboard"])
def test_server_and_dashboard_start_where_there_is_no_torch(program: str) -> None:
    started = _start(f"{program}.cli", f"{program}.app")
    assert started.returncode == 0, started.stderr


def test_the_block_would_stop_a_program_that_needs_torch() -> None:
    assert "hospital_agent is not in this image" in _start("hospital_agent.cli").stderr
    assert "torch is not in this image" in _start("torch.nn").stderr


@pytest.mark.parametrize("folder", OURS.values())
def test_an_image_gets_every_file_of_its_program(folder: str, tmp_path: Path) -> None:
    """Builds the wheel as the Dockerfile's last install does, from the same folders alone."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "README.md").touch()
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for package in ("shared", folder):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    wanted = {str(p.relative_to(tmp_path)) for package in ("shared", folder)
              for p in (tmp_path / package).rglob("*") if p.is_file() and p.name not in NOT_SHIPPED}  # fmt: skip
    build = "import setuptools.build_meta as b; print(b.build_wheel('wheel'))"
    (tmp_path / "wheel").mkdir()
    built = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next((tmp_path / "wheel").glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if not re.match(r"segwatch-[^/]+\.dist-info/", name)}
    assert wanted == packed
