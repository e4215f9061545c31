"""A study's section, for its own report and for the results page, from the files in its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hospital_agent.evaluation.report import RUN, SUMMARY, facts


def section(run: Mapping[str, Any], summary: Mapping[str, Any], level: str) -> list[str]:
    """Facts, sentences and tables.

    Args:
        run, summary: run.json and summary.json.
        level: of the headings, "##" for instance.
    """
    said = "".join(f"- {one}\n" for one in summary["findings"])
    parts = [facts(run, summary["seeds"]), f"{level} What it says\n", said]
    return parts + [f"{level} {one['title']}\n\n{one['text']}" for one in summary["sections"]]


def is_study(folder: Path) -> bool:
    """Whether the folder holds a study's results; False for a task's, and where nothing has ended."""
    path = folder / SUMMARY
    return path.is_file() and "study" in json.loads(path.read_text(encoding="utf-8"))


def section_of(folder: Path) -> list[str]:
    """The section of a folder for the results page, with its title.

    Raises:
        FileNotFoundError: the study has not ended.
    """
    run, summary = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (RUN, SUMMARY))
    return [f"## {summary['study']}\n", *section(run, summary, "###")]
