"""The import contracts name everything that they are about; a new module cannot slip past them."""

import pkgutil
import tomllib
from pathlib import Path

import hospital_agent

ROOT = Path(__file__).parents[2]


def test_science_is_kept_from_every_module_beside_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (science,) = (one for one in contracts if one.get("source_modules") == ["hospital_agent.analysis"])
    beside = {f"hospital_agent.{module.name}" for module in pkgutil.iter_modules(hospital_agent.__path__)}
    assert beside - set(science["forbidden_modules"]) == {"hospital_agent.analysis"}
