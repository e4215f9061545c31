"""What the commands share: exit codes, the way they speak, and options that several of them take.

Standard output holds results alone, as JSON; everything else goes to standard error.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from hospital_agent.allow_list import AllowList

FAULT, USAGE, REFUSED = 1, 2, 3
DEVICES = ("auto", "cpu", "cuda")

Allow = Annotated[
    list[str] | None, typer.Option(help="SHA-256 of a model from elsewhere that may run code here; may be repeated.")
]
AllowedIn = Annotated[
    Path | None,
    typer.Option(envvar="AGENT_DATA_DIR", help="A data folder whose file allowed_models counts too.", file_okay=False),
]
DataDir = Annotated[Path, typer.Option(envvar="AGENT_DATA_DIR", help="The agent's data folder.", file_okay=False)]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
KindOfImage = Literal["CT", "MR"]
FencesBy = Annotated[
    Literal["label", "view", "mean"],
    typer.Option(
        help="What decides that a mask agrees too badly with its reconstruction: thresholds of each label, of each "
        "view (plane of slices), or of the mean over labels."
    ),
]


def say(sentence: str) -> None:
    """A sentence for people."""
    typer.echo(f"hospital-agent: {sentence}", err=True)


def print_json(content: object, out: Path | None = None) -> None:
    """A result, to standard output or into a file."""
    text = json.dumps(content, indent=2, allow_nan=False)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def check_device(device: str) -> None:
    """Refuse what is no device as wrong usage."""
    if device not in DEVICES:
        raise typer.BadParameter("must be auto, cpu or cuda.", param_hint="--device")


def allowed_models(hashes: list[str] | None, data_dir: Path | None) -> "AllowList":
    """What may run code: --allow, AGENT_ALLOWED_MODELS, and the file in the data folder."""
    from hospital_agent.allow_list import SETTING, AllowList

    return AllowList.of(hashes or []) | AllowList.of_site(os.environ.get(SETTING, ""), data_dir)
