"""`hospital-agent`: analyse one input by hand, run the agent of a site, and look at what it did and sent.

Standard output holds results alone, as JSON; everything else goes to standard error. Exit codes: 0, 1 a fault that
the message names, 2 wrong usage or settings, 3 the input was refused.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hospital_agent.analysing import analyse
from hospital_agent.console import FAULT, USAGE, DataDir, print_json, say
from hospital_agent.evaluating import evaluate
from hospital_agent.federation import node_commands
from hospital_agent.federation.commands import federation_app
from hospital_agent.fit_command import fit
from hospital_agent.heartbeat import LONGEST_STEP_S, Heartbeat, age_s
from hospital_agent.refining import refine
from hospital_agent.reviewing import review_app
from shared.clock import utc_now
from shared.errors import MonitoringError, SettingsError
from shared.logs import logger

app = typer.Typer(
    name="hospital-agent",
    help="Quality monitoring of segmentations at one hospital. Not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(analyse)
app.command()(fit)
app.command()(evaluate)
app.command()(refine)
app.add_typer(review_app, name="review")
app.add_typer(federation_app, name="federation")
node_commands.add_to(app, federation_app)


@app.command()
def run() -> None:
    """Run the agent: watch the inbox, analyse, watch for change, send aggregates. Settings: AGENT_..."""
    from hospital_agent.assembly import build_worker
    from hospital_agent.settings import load_settings
    from hospital_agent.store.database import Store
    from shared import logs

    settings = load_settings()
    logs.configure(settings.log_level)
    store = Store.open(settings.data_dir)
    try:
        store.hold()
        worker = build_worker(settings, store, reached=Heartbeat(settings.data_dir))
        if settings.policy is None:
            say("AGENT_K is not set: cases are analysed, and nothing leaves this site")
        worker.run(_stop_on_signals(), settings.poll_s)
    finally:
        store.close()


@app.command()
def doctor() -> None:
    """Check everything that the agent needs, before it is started."""
    from hospital_agent.doctor import examine

    found = examine()
    for check in found:
        typer.echo(f"{'ok     ' if check.ok else 'PROBLEM'} {check.name}: {check.sentence}")
    if not all(check.ok for check in found):
        raise typer.Exit(FAULT)


@app.command()
def health(
    data_dir: DataDir,
    max_age_s: Annotated[
        float, typer.Option(min=1, help="Longest time between two steps of the loop.")
    ] = LONGEST_STEP_S,
) -> None:
    """Say whether the agent's loop still turns; exit code 1 where it does not. For health checks."""
    age = age_s(data_dir, time.time())
    if age is None:
        say("the loop has not turned yet")
    else:
        say(f"the loop turned {age:.0f} s ago")
    if age is None or age > max_age_s:
        raise typer.Exit(FAULT)


@app.command()
def preview() -> None:
    """Print the report that the open window would make if it closed now. Nothing is written or sent."""
    from hospital_agent.assembly import plan_of
    from hospital_agent.federation.in_use import model_in_use
    from hospital_agent.reporting.desk import Desk
    from hospital_agent.settings import load_settings
    from hospital_agent.store import windows
    from hospital_agent.toolkit import build_toolkit

    settings = load_settings()
    with _store(settings.data_dir) as store:
        with store.read() as session:
            window = windows.open_window(session)
        if window is None:
            raise SettingsError("The agent has not run on this AGENT_DATA_DIR yet.")
        toolkit = build_toolkit(model_in_use(settings), with_network=False, lungs=None)
        desk = Desk(store, plan_of(settings, toolkit, windows.model_of(window)), tie_break=lambda _: 0.5)
        report = desk.preview(utc_now())
    if report is None:
        say("AGENT_K is not set: no report is made")
        return
    print_json(report.model_dump(mode="json"))


@app.command()
def status(data_dir: DataDir) -> None:
    """Print where the agent stands: cases, window, baseline, pages, what waits to be sent."""
    from hospital_agent.store.overview import overview

    with _store(data_dir) as store:
        print_json(overview(store))


@app.command()
def ledger(
    data_dir: DataDir,
    verify: Annotated[bool, typer.Option("--verify", help="Compute the whole hash chain again.")] = False,
    show: Annotated[int | None, typer.Option(min=1, help="Print the exact bytes of this row.")] = None,
) -> None:
    """What left this hospital, row by row: reports as they were sent, federated messages by what they are."""
    from hospital_agent.store import ledger as books
    from hospital_agent.store.tables import LedgerRow

    with _store(data_dir) as store, store.read() as session:
        if verify:
            end = books.verify(session)
            print_json({"verified": True, "rows": end.count, "chain": end.chain})
        elif show is not None:
            row = session.get(LedgerRow, show)
            if row is None:
                raise typer.BadParameter("The ledger has no such row.", param_hint="--show")
            sys.stdout.buffer.write(row.body + b"\n")
        else:
            for row in books.rows(session):
                typer.echo(json.dumps(books.line_of(row)))


@app.command()
def outbox(
    data_dir: DataDir,
    retry: Annotated[bool, typer.Option("--retry", help="Send parked reports again.")] = False,
) -> None:
    """Reports that wait, were sent, or are parked."""
    from hospital_agent.store import outbox as letters

    with _store(data_dir) as store:
        if retry:
            with store.write() as session:
                say(f"{letters.release_parked(session, utc_now())} parked reports will be sent again")
        with store.read() as session:
            print_json(letters.listed(session))


def main() -> None:
    """Entry point: errors become a sentence and an exit code.

    Of an error that nobody foresaw only its class and its place in the program are told: its text may quote a value.
    """
    try:
        app()
    except SettingsError as error:
        _give_up(error, USAGE)
    except MonitoringError as error:
        _give_up(error, FAULT)
    except Exception:
        logger("cli").exception("program_failed")
        say("ended by a fault that was not foreseen; the line above says its kind and its place in the program")
        raise SystemExit(FAULT) from None


def _give_up(error: Exception, code: int) -> NoReturn:
    say(str(error))
    raise SystemExit(code) from None


@contextmanager
def _store(data_dir: Path) -> Iterator[Any]:
    """The store of an agent that has run before; it may be running now."""
    from hospital_agent.store.database import FILE_NAME, Store

    if not (data_dir / FILE_NAME).is_file():
        raise SettingsError("AGENT_DATA_DIR holds no store: the agent has not run there yet.")
    store = Store(data_dir)
    try:
        yield store
    finally:
        store.close()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
