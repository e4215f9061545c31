"""`hospital-agent review`: draw cases at random for a reader, and record what the reader says."""

import json
from random import SystemRandom
from typing import Annotated

import typer

from hospital_agent.console import DataDir
from shared.clock import utc_now

review_app = typer.Typer(help="Cases drawn at random for a reader, and the verdicts.", no_args_is_help=True)

CATEGORIES = ("missed_lesion", "false_lesion", "wrong_boundary", "wrong_organ", "other")


@review_app.command()
def draw(count: Annotated[int, typer.Argument(min=1, help="How many cases.")], data_dir: DataDir) -> None:
    """Draw scored cases uniformly at random among those never drawn."""
    from hospital_agent.store import reviews
    from hospital_agent.store.database import Store

    store = Store.open(data_dir)
    with store.write() as session:
        drawn = reviews.draw(session, count, SystemRandom(), utc_now())
    store.close()
    typer.echo(json.dumps({"drawn": drawn}))


@review_app.command()
def record(
    case_id: Annotated[str, typer.Argument(help="As `draw` printed it.")],
    verdict: Annotated[str, typer.Argument(help="good or failed.")],
    data_dir: DataDir,
    category: Annotated[str | None, typer.Option(help=", ".join(CATEGORIES))] = None,
) -> None:
    """Record a reader's verdict on a drawn case."""
    from hospital_agent.store import reviews
    from hospital_agent.store.database import Store

    if verdict not in ("good", "failed"):
        raise typer.BadParameter("must be good or failed.", param_hint="VERDICT")
    if category is not None and category not in CATEGORIES:
        raise typer.BadParameter(f"must be one of {', '.join(CATEGORIES)}.", param_hint="--category")
    store = Store.open(data_dir)
    with store.write() as session:
        known = reviews.record(session, case_id, "good" if verdict == "good" else "failed", category, utc_now())
    store.close()
    if not known:
        raise typer.BadParameter("This case was not drawn for review.", param_hint="CASE_ID")


@review_app.command("list")
def listed(data_dir: DataDir) -> None:
    """Drawn cases that wait for a verdict, and how many have which."""
    from hospital_agent.store import reviews
    from hospital_agent.store.database import Store

    store = Store.open(data_dir)
    with store.read() as session:
        told = {"waiting": reviews.waiting(session), "counts": reviews.counts(session)}
    store.close()
    typer.echo(json.dumps(told))
