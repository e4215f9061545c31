"""One run from Flower's task to its end, in a process of its own.

Started by `superlink` with the token of the task on standard input. A process a run, because a total may be large and
what a run took is then given back, and because a fault of one run ends no other. Never unpacks the run's bundle: it
leads a run whose bundle is ours with the code that is installed here, and fails any other.
"""

import logging
import os
import sys
from collections.abc import Callable

from flwr.supercore.app_utils import start_parent_process_monitor

from central_server.federation.conductor import Conductor, RunRules
from central_server.federation.exchange import Exchange
from central_server.federation.flower.errors import SuperLinkAway
from central_server.federation.flower.grid_exchange import GridExchange
from central_server.federation.flower.nodes import nodes_by_site
from central_server.federation.flower.run_grid import RunGrid
from central_server.federation.flower.settings import SuperLinkSettings, load_superlink_settings
from shared import logs
from shared.federation.flower import RUN, app_hash
from shared.logs import logger

Lead = Callable[[Exchange, str], None]
"""(exchange, run): lead the run to its end and keep what happened."""

FOREIGN = "This centre runs no code that arrives; the run's app is not ours."
log = logger("federation")


def lead_stored_run(exchange: Exchange, run: str) -> None:
    """Lead a run that a person asked for, and keep what happens in the centre's database."""
    from central_server.database.migrate import require_newest
    from central_server.database.session import Database
    from central_server.federation.stored import DatabaseRunLog, StoredCohorts, run_to_do, stored_site_keys
    from central_server.settings import load_settings

    database = Database(load_settings().database())
    try:
        require_newest(database)
        stopped: BaseException | None = None
        with DatabaseRunLog(database, run) as record:
            with database.read() as session:
                wanted, keys = run_to_do(session, run), stored_site_keys(session)
            rules = RunRules(deadline_s=wanted.deadline_s, sites=wanted.sites)
            conductor = Conductor(exchange, keys, StoredCohorts(database), record, rules)
            try:
                conductor.conduct(run, wanted.job, wanted.options)
            except (KeyboardInterrupt, SuperLinkAway) as reason:
                stopped = reason  # not the end of the run: it is taken up again when the SuperLink starts again
        if stopped is not None:
            raise stopped
    finally:
        database.close()


def run_task(settings: SuperLinkSettings, token: str, lead: Lead = lead_stored_run) -> bool:
    """Carry out one task of Flower; whether it came to its end.

    Args:
        token: of the task.
        lead: what to do with the run.
    """
    with RunGrid(f"127.0.0.1:{settings.tasks_port}", token) as grid:
        try:
            if grid.run.fab_hash != app_hash():
                log.error("foreign_app_refused", sha256=grid.run.fab_hash)
                grid.problem = FOREIGN
                return False
            exchange = GridExchange(grid, lambda: nodes_by_site(settings.folder))
            lead(exchange, str(grid.run.override_config.get(RUN, "")))
        except Exception as error:
            log.exception("run_failed")
            grid.problem = f"The centre failed: {type(error).__name__}."
            return False
        grid.problem = ""
        return True


def main(lead: Lead = lead_stored_run) -> None:
    """The process of one run: the token on standard input, settings from the environment."""
    token = sys.stdin.readline().strip()
    logs.configure("info")
    logging.getLogger("flwr").handlers.clear()  # ours says name and level of what it logs
    start_parent_process_monitor(os.getppid())
    raise SystemExit(0 if run_task(load_superlink_settings(), token, lead) else 1)


if __name__ == "__main__":
    main()
