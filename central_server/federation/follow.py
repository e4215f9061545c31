"""Following a run from its rows: a line a round, and the sentence at the end."""

import time
from collections.abc import Callable
from datetime import timedelta

from central_server.database import federated_runs
from central_server.database.federation_tables import RoundRow, RunRow
from central_server.database.session import Database
from central_server.errors import RunIsOver
from central_server.federation.states import state_of
from central_server.federation.words import in_words
from shared.clock import Clock, utc_now

INTERRUPTED = "Whoever led this run gives no sign of life any more; there is no result."
NOT_TAKEN_UP = "Nobody took this run up; is the SuperLink running?"


def follow(
    database: Database, run: str, say: Callable[[str], object], *, starts_within: timedelta,
    clock: Clock = utc_now, wait: Callable[[float], object] = time.sleep,
) -> bool:  # fmt: skip
    """Say each round as it comes, and how the run ended; whether there is a result.

    A run that nobody takes up in time is over; one that is interrupted stays as it is, for its leader may come back.
    """
    said: set[int] = set()
    while True:
        with database.read() as session:
            row = federated_runs.run_row(session, run)
            for one in row.rounds:
                if one.id not in said:
                    say(round_line(one))
                    said.add(one.id)
            state = state_of(row, clock())
        if state in ("completed", "failed"):
            say(row.sentence or "")
            return state == "completed"
        if state == "interrupted":
            say(INTERRUPTED)
            return False
        if state == "proposed" and clock() - row.created_at >= starts_within:
            _give_up(database, row, clock)
        wait(0.5)


def _give_up(database: Database, row: RunRow, clock: Clock) -> None:
    try:
        with database.write() as session:
            if federated_runs.run_row(session, row.run).state == "proposed":
                federated_runs.end(session, row.run, clock(), completed=False, sentence=NOT_TAKEN_UP)
    except RunIsOver:
        pass  # it ended in between, and the next look says how


def round_line(row: RoundRow) -> str:
    """One round in a line."""
    again = f"attempt {row.attempt}, " if row.attempt > 1 else ""
    missing = "; ".join(f"{site} {in_words(reason)}" for site, reason in sorted(row.missing.items()))
    return (
        f"{again}round {row.number}: {len(row.contributors)} sites ({', '.join(row.contributors)}), "
        f"{row.seconds:.1f} s, {bytes_in_words(row.bytes_per_site)} a site; "
        + (f"missing: {missing}" if missing else "nobody is missing")
    )


def bytes_in_words(count: int) -> str:
    """A number of bytes, in kB and MB of a thousand each.

    Example:
        >>> bytes_in_words(950), bytes_in_words(1_300_000)
        ('950 bytes', '1.3 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
