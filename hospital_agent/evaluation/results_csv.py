"""results.csv: written for people and programs, read back for the results page. An undefined value is an empty cell."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hospital_agent.evaluation.summary import ResultRow

COLUMNS = tuple(field.name for field in fields(ResultRow))
WHOLE = ("seed", "n", "n_validation_patients", "passes")
WORDS = ("task", "method", "shift", "strength")


def write_results(path: Path, rows: Iterable[ResultRow]) -> None:
    """One line a row, numbers to 6 significant digits, so that a repeated run gives the same bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in asdict(row).items()} for row in rows)


def read_results(path: Path) -> list[ResultRow]:
    """The rows again, to the digits that were written."""
    with path.open(encoding="utf-8", newline="") as file:
        return [ResultRow(**{name: _value(name, cell) for name, cell in line.items()}) for line in csv.DictReader(file)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _value(name: str, cell: str) -> Any:
    if name in WORDS:
        return cell
    if name == "supervised":
        return cell == "true"
    if name in WHOLE:
        return int(cell)
    return float(cell) if cell else None
