"""`hospital-agent`: analyse one input by hand, run the agent of a site, and look at what it did and sent.

Standard output holds results alone, as JSON; everything else goes to standard error. Exit codes: 0, 1 a fault that
the message names, 2 wrong usage or settings, 3 the input was refused.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hospital_agent.errors import CaseFailed, InputRefused
from hospital_agent.evaluating import evaluate
from hospital_agent.heartbeat import LONGEST_STEP_S, Heartbeat, age_s
from hospital_agent.reviewing import review_app
from shared.clock import rfc3339, utc_now
from shared.errors import MonitoringError, SettingsError
from shared.logs import logger

if TYPE_CHECKING:
    from hospital_agent.allow_list import AllowList

FAULT, USAGE, REFUSED = 1, 2, 3

app = typer.Typer(
    name="hospital-agent",
    help="Quality monitoring of segmentations at one hospital. Not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(review_app, name="review")
app.command()(evaluate)

Allow = Annotated[
    list[str] | None, typer.Option(help="SHA-256 of a model from elsewhere that may run code here; may be repeated.")
]
AllowedIn = Annotated[
    Path | None,
    typer.Option(envvar="AGENT_DATA_DIR", help="A data folder whose file allowed_models counts too.", file_okay=False),
]
DataDir = Annotated[Path, typer.Option(envvar="AGENT_DATA_DIR", help="The agent's data folder.", file_okay=False)]


@app.command()
def analyse(
    path: Annotated[Path, typer.Argument(exists=True, help="A folder of DICOM files, or a NIfTI file.")],
    mask: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Score this NIfTI mask; needs no network.")
    ] = None,
    lungs: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Use this NIfTI lung mask.")] = None,
    model: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Model folder; the shipped one by default.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    allow: Allow = None,
    data_dir: AllowedIn = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the JSON here instead.")] = None,
    mask_out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the mask here (.nii.gz).")] = None,
    map_out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the map of distances from training here (.nii.gz); 0 is outside."),
    ] = None,
) -> None:
    """Segment and score one CT series, or score a mask that another product made."""
    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter("must be auto, cpu or cuda.", param_hint="--device")
    for option, file in (("--mask-out", mask_out), ("--map-out", map_out)):
        if file is not None and not file.name.endswith((".nii", ".nii.gz")):
            raise typer.BadParameter("must end in .nii or .nii.gz.", param_hint=option)
    if map_out is not None and mask is not None:
        raise typer.BadParameter("needs the network's features; a given --mask has none.", param_hint="--map-out")
    try:
        result = _analysed(path, mask, lungs, model, device, mask_out, map_out, _allowed(allow, data_dir))
    except InputRefused as refusal:
        _print_json({"refused": {"reason": refusal.reason, "detail": str(refusal)}}, out)
        raise typer.Exit(REFUSED) from None
    except CaseFailed as failure:
        _print_json({"failed": {"stage": failure.stage, "reason": failure.reason, "detail": str(failure)}}, out)
        raise typer.Exit(FAULT) from None
    _print_json(result, out)


def _analysed(
    path: Path,
    mask: Path | None,
    lungs: Path | None,
    model: Path | None,
    device: str,
    mask_out: Path | None,
    map_out: Path | None,
    allowed: "AllowList",
) -> dict[str, Any]:
    from hospital_agent.ingest.series import read_series
    from hospital_agent.pipeline import analyse_case
    from hospital_agent.shown_map import distance_map
    from hospital_agent.toolkit import build_toolkit

    begun = perf_counter()
    _say("reading")
    series = read_series(path)
    given = None if mask is None else series.read_mask(mask)
    given_lungs = None if lungs is None else series.read_mask(lungs)
    read_s = perf_counter() - begun
    _say("loading the model")
    toolkit = build_toolkit(model, device=device, with_network=given is None, allowed=allowed)
    load_s = perf_counter() - begun - read_s
    show = None if map_out is None else distance_map(toolkit)
    result = analyse_case(series.volume, toolkit, mask=given, lungs=given_lungs, progress=_say)
    written = mask if mask_out is None else mask_out
    if mask_out is not None:
        series.write_mask(mask_out, result.segmentation.mask)
    if map_out is not None and show is not None:
        series.write_map(map_out, show(result.segmentation))
    told = result.to_json(mask_path=None if written is None else str(written))
    if map_out is not None:
        told["segmentation"]["map"] = str(map_out)
    told["timings_s"] = {"read": round(read_s, 4), "load_model": round(load_s, 4), **told["timings_s"]}
    told["timings_s"]["total"] = round(perf_counter() - begun, 4)
    told["warnings"] = [*series.warnings, *told["warnings"]]
    return told


@app.command()
def fit(
    model: Annotated[
        list[Path],
        typer.Option(exists=True, help="nnU-Net folder or fold, MONAI bundle, TorchScript file; several: an ensemble."),
    ],
    images: Annotated[Path, typer.Option(exists=True, file_okay=False, help="NIfTI files and folders of series.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="The model folder to write.")],
    references: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="NIfTI masks with the names of the images.")
    ] = None,
    allow: Allow = None,
    data_dir: AllowedIn = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    orientation: Annotated[
        str | None, typer.Option(help="Of an nnU-Net's training files (LPS, RAS, LAS, ...); else that of the images.")
    ] = None,
    mirroring: Annotated[
        bool, typer.Option("--mirroring", help="nnU-Net's test-time mirroring; eight times slower.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Put the model's own files into the folder as well.")] = False,
    name: Annotated[str | None, typer.Option(help="Of the model, for people.")] = None,
) -> None:
    """Fit all scores to a model that others made, and write a model folder for `analyse` and AGENT_MODEL_DIR."""
    from hospital_agent.fitted_folder import fit_folder

    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter("must be auto, cpu or cuda.", param_hint="--device")
    fitted = fit_folder(
        model, images, references, out,
        allowed=_allowed(allow, data_dir), device=device, orientation=orientation, mirroring=mirroring, copy=copy,
        name=name, say=_say,
    )  # fmt: skip
    for sentence in fitted.left_out:
        _say(sentence)
    told = {
        "model": str(out),
        "images": len(fitted.seen),
        "patients": fitted.patient_count,
        "ood": sorted(fitted.ood),
        "scaled": sorted(fitted.ranges),
        "quality": fitted.quality_kind,
    }
    _print_json(told, None)


def _allowed(hashes: list[str] | None, data_dir: Path | None) -> "AllowList":
    """What may run code: --allow, AGENT_ALLOWED_MODELS, and the file in the data folder."""
    from hospital_agent.allow_list import SETTING, AllowList

    return AllowList.of(hashes or []) | AllowList.of_site(os.environ.get(SETTING, ""), data_dir)


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
            _say("AGENT_K is not set: cases are analysed, and nothing leaves this site")
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
        _say("the loop has not turned yet")
    else:
        _say(f"the loop turned {age:.0f} s ago")
    if age is None or age > max_age_s:
        raise typer.Exit(FAULT)


@app.command()
def preview() -> None:
    """Print the report that the open window would make if it closed now. Nothing is written or sent."""
    from hospital_agent.assembly import plan_of
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
        toolkit = build_toolkit(settings.model_dir, with_network=False, lungs=None)
        desk = Desk(store, plan_of(settings, toolkit, windows.model_of(window)), tie_break=lambda _: 0.5)
        report = desk.preview(utc_now())
    if report is None:
        _say("AGENT_K is not set: no report is made")
        return
    _print_json(report.model_dump(mode="json"), None)


@app.command()
def status(data_dir: DataDir) -> None:
    """Print where the agent stands: cases, window, baseline, pages, what waits to be sent."""
    from hospital_agent.store.overview import overview

    with _store(data_dir) as store:
        _print_json(overview(store), None)


@app.command()
def ledger(
    data_dir: DataDir,
    verify: Annotated[bool, typer.Option("--verify", help="Compute the whole hash chain again.")] = False,
    show: Annotated[int | None, typer.Option(min=1, help="Print the exact bytes of this row.")] = None,
) -> None:
    """What left this hospital, row by row."""
    from hospital_agent.store import ledger as books
    from hospital_agent.store.tables import LedgerRow

    with _store(data_dir) as store, store.read() as session:
        if verify:
            end = books.verify(session)
            _print_json({"verified": True, "rows": end.count, "chain": end.chain}, None)
        elif show is not None:
            row = session.get(LedgerRow, show)
            if row is None:
                raise typer.BadParameter("The ledger has no such row.", param_hint="--show")
            sys.stdout.buffer.write(row.body + b"\n")
        else:
            for row in books.rows(session):
                line = {
                    "number": row.number,
                    "written_at": rfc3339(row.written_at),
                    "report_id": row.report_id,
                    "bytes": len(row.body),
                    "sha256": row.sha256,
                    "chain": row.chain,
                }
                typer.echo(json.dumps(line))


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
                _say(f"{letters.release_parked(session, utc_now())} parked reports will be sent again")
        with store.read() as session:
            _print_json(letters.listed(session), None)


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
        _say("ended by a fault that was not foreseen; the line above says its kind and its place in the program")
        raise SystemExit(FAULT) from None


def _give_up(error: Exception, code: int) -> NoReturn:
    _say(str(error))
    raise SystemExit(code) from None


def _say(sentence: str) -> None:
    typer.echo(f"hospital-agent: {sentence}", err=True)


def _print_json(content: object, out: Path | None) -> None:
    text = json.dumps(content, indent=2, allow_nan=False)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


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
