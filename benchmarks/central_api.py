"""How long the centre takes to answer what a dashboard's first paint asks, with 100 sites and two years behind them.

    python -m benchmarks.central_api [--sites 100] [--windows 730] [--quantities 40]

One site has all quantities, the others one; every site has daily windows, a baseline and detectors. The figures are
the first call, the median of 7 more, and the processor time of such a call (client and server are one process; on a
busy machine it is the figure to look at). Compared with: the budget of one second for a first paint.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import insert

from central_server.app import create_app
from central_server.database import reports
from central_server.database.migrate import migrate
from central_server.database.session import Database
from central_server.database.tables import DetectorRow, EventRow, MetricRow, ReportRow, SiteRow
from shared.report import SiteReport, report_id_for
from tests.central_world import PASSWORD, OwnClock, settings_for
from tests.report_factory import SiteStory, reports_of

BUDGET_S = 1.0


def stretched(site: str, windows: int, quantities: int) -> Iterator[SiteReport]:
    """A site's reports over `windows` days, made by repeating a short story; quantities are copies under new names."""
    told = reports_of(SiteStory(site, windows=40, warm_up=9))
    later = [report for report in told if report.kind == "window" and report.versions.baseline]
    yield from (_widened(report, quantities) for report in told)
    for index in range(40, windows):
        report = later[index % len(later)]
        window = report.window.model_copy(
            update={
                "index": index,
                "start_at": told[0].window.start_at + timedelta(days=index),
                "end_at": told[0].window.start_at + timedelta(days=index + 1),
            }
        )
        report_id = report_id_for(site, "window", index, "all", 0, None)
        yield _widened(report.model_copy(update={"window": window, "report_id": report_id}), quantities)


def _widened(report: SiteReport, quantities: int) -> SiteReport:
    copies = [
        report.metrics[i % len(report.metrics)].model_copy(update={"name": f"quantity_{i}"}) for i in range(quantities)
    ]
    return report.model_copy(update={"metrics": tuple(copies)})


def fill(database: Database, sites: int, windows: int, quantities: int) -> None:
    """Rows as accepting reports one by one would make them, in few statements."""
    clock = OwnClock()
    for number in range(sites):
        name = f"site-{number:03d}"
        with database.write() as session:
            session.add(SiteRow(id=number + 1, name=name, title=name, registered_at=clock(), last_seen_at=clock()))
            session.flush()
            _add(session, number, stretched(name, windows, quantities if number == 0 else 1))


def _add(session: Any, number: int, told: Iterator[SiteReport]) -> None:
    rows: dict[type, list[dict[str, Any]]] = {ReportRow: [], MetricRow: [], EventRow: [], DetectorRow: []}
    columns = [column.key for column in ReportRow.__mapper__.column_attrs if column.key != "id"]
    for index, report in enumerate(told):
        row_id = number * 100_000 + index + 1
        row = reports._row(number + 1, report, b"{}", OwnClock()())
        rows[ReportRow].append({"id": row_id, **{name: getattr(row, name) for name in columns}})
        rows[MetricRow] += [{"report_row_id": row_id, **reports._metric(m)} for m in report.metrics]
        rows[EventRow] += [{"report_row_id": row_id, **reports._event(e)} for e in report.events]
        rows[DetectorRow] += [{"report_row_id": row_id, **reports._detector(d)} for d in report.detectors[:2]]
    for table, lines in rows.items():
        session.execute(insert(table), lines)


def measure(client: TestClient, headers: dict[str, str], path: str) -> tuple[float, float, float, int]:
    """Seconds of the first call, of the median of seven more, their processor time, and the bytes of the answer."""
    taken, busy = [], []
    for _ in range(8):
        began, busy_before = time.perf_counter(), time.process_time()
        answer = client.get(f"/api/v1{path}", headers=headers)
        taken.append(time.perf_counter() - began)
        busy.append(time.process_time() - busy_before)
        if answer.status_code != 200:
            raise SystemExit(answer.text)
    return taken[0], statistics.median(taken[1:]), statistics.median(busy[1:]), len(answer.content)


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--windows", type=int, default=730)
    parser.add_argument("--quantities", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(f"sqlite:///{Path(folder)}/central.sqlite", log_level="critical")
        database = Database(settings.database())
        migrate(database)
        began = time.perf_counter()
        fill(database, given.sites, given.windows, given.quantities)
        database.close()
        size = (Path(folder) / "central.sqlite").stat().st_size / 1e6
        seconds = time.perf_counter() - began
        print(f"{given.sites} sites x {given.windows} windows, {size:.0f} MB, filled in {seconds:.0f} s")
        with TestClient(create_app(settings, OwnClock())) as client:
            answer = client.post("/api/v1/session", json={"username": "lead", "password": PASSWORD})
            headers = {"Authorization": f"Bearer {answer.json()['token']}"}
            print(f"{'':42}{'first':>9}{'median':>9}{'processor':>11}{'answer':>10}   budget {BUDGET_S:g} s")
            for path in (
                "/sites", "/alerts", "/sites/site-000", "/sites/site-000/metrics",
                "/sites/site-000/metrics/quantity_0", "/sites/site-000/rates", "/sites/site-000/detectors",
                "/sites/site-000/drift/quantity_0",
            ):  # fmt: skip
                first, median, busy, size = measure(client, headers, path)
                print(f"{path:42}{first:8.2f}s{median:8.2f}s{busy:10.2f}s{size / 1e3:8.0f}kB")


if __name__ == "__main__":
    main()
