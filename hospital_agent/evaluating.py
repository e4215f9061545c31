"""`hospital-agent evaluate`: the papers' tables over a task, from images to a report."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import SettingsError

DEFAULT_SEEDS = "0,1,2"


def evaluate(
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, envvar="SEGWATCH_DATA", help="Folder of the images.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Networks, rows and the report are written here.")],
    task: Annotated[
        str | None, typer.Option(help="A ready task (cardiac_mr, ...), or a study: several_organs, federated.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A TOML file that describes another task.")
    ] = None,
    test_data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Images for testing only, in the same layout.")
    ] = None,
    networks: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A finished `make train` folder (chest_ct).")
    ] = None,
    members: Annotated[
        int | None, typer.Option(min=1, help="Networks of the ensemble; 1 leaves the methods of ensembles out.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = DEFAULT_SEEDS,
    quick: Annotated[
        bool, typer.Option("--quick", help="Some minutes; tries the way, and its numbers say nothing.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Compare every method fairly on one task: train or load, shift, segment, score, write tables and plots."""
    from hospital_agent.evaluation.config import quick as quickly
    from hospital_agent.evaluation.config import task_from
    from hospital_agent.evaluation.report import REPORT
    from hospital_agent.evaluation.runner import Plan, evaluate
    from hospital_agent.evaluation.studies import studies
    from hospital_agent.evaluation.tasks import FolderTask, Setting, Task, tasks

    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter("must be auto, cpu or cuda.", param_hint="--device")
    if (task is None) == (config is None):
        raise typer.BadParameter("name a ready task with --task, or describe one with --config.")
    tasks.load("hospital_agent.evaluation.tasks")
    studies.load("hospital_agent.evaluation.studies")
    numbers = [0] if quick else _seeds(seeds)
    command = "hospital-agent " + shlex.join(Path(word).name if "/" in word else word for word in sys.argv[1:])
    if task in studies.names():
        for option, value in (("--test-data", test_data), ("--networks", networks), ("--members", members)):
            if value is not None:
                raise typer.BadParameter(f"does not apply to {task}: it trains networks of its own.", param_hint=option)
        typer.echo(str(studies.get(task).run(data, out, numbers, quick=quick, device=device, command=command) / REPORT))
        return
    chosen: Task = task_from(config) if config is not None else tasks.get(str(task))
    if members is not None and isinstance(chosen, FolderTask):
        chosen = replace(chosen, members=members)
    if quick:
        chosen = quickly(chosen)
    setting = Setting(data, out, test_data, networks, device)
    folder = evaluate(Plan(chosen, setting, numbers, command))
    typer.echo(str(folder / REPORT))


def _seeds(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise SettingsError("--seeds takes whole numbers with commas, for instance 0,1,2.") from None
    if min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise SettingsError("--seeds takes different numbers from 0 on.")
    return numbers
