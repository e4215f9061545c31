"""Scored rows on disk, one line each, so that a run that was cut off goes on where it stopped."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hospital_agent.evaluation.rows import Condition, Scored

Key = tuple[str, Condition]


class RowCache:
    """The rows that one scorer made, in one file. Another fingerprint of the run means other rows, in another file.

    Args:
        folder: of the run's rows.
        name: of the scorer.
        fingerprint: of everything that decides the values; see `fingerprint_of`.
    """

    def __init__(self, folder: Path, name: str, fingerprint: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}-{fingerprint}.jsonl"
        _drop_cut_line(self.path)
        self._rows: dict[Key, Scored] = {(row.case, row.condition): row for row in _rows_of(self.path)}

    def find(self, case: str, condition: Condition) -> Scored | None:
        """The row of an image under a condition, or None."""
        return self._rows.get((case, condition))

    def add(self, row: Scored) -> None:
        """Keep one row, on disk at once."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row.to_json()) + "\n")
        self._rows[row.case, row.condition] = row


def fingerprint_of(content: Any) -> str:
    """12 letters that change when anything in the content does."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _drop_cut_line(path: Path) -> None:
    """Forget a last line that a crash cut off; the next row would be written behind it."""
    if path.exists():
        written = path.read_bytes()
        path.write_bytes(written[: written.rfind(b"\n") + 1])


def _rows_of(path: Path) -> Iterator[Scored]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Scored.from_json(json.loads(line))
