"""What a centre has seen of federated work: runs in every state, written the way that a real run writes them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from central_server.database import federated_runs, federation_keys, sites
from central_server.database.session import Database
from central_server.federation.run_log import RoundEnded, RunBegan, RunEnded
from central_server.federation.stored import DatabaseRunLog
from shared.federation.messages import Options
from tests.central_world import NOON, STORIES, OwnClock

SITES = tuple(sorted(story.site for story in STORIES))
SILENT = {"new-clinic": "silent"}


def tell_federated_story(database: Database, until: datetime = NOON) -> dict[str, str]:
    """A completed Gaussian, an interrupted training, a failed calibration, one that runs, one proposed.

    Args:
        until: when the story ends; it took the two days before.

    Returns:
        The ids of the runs by job.
    """
    clock = OwnClock(until - timedelta(days=2))
    _give_keys(database, clock)
    clock.forward(hours=3)
    runs = {
        "gaussian": _run(database, clock, "gaussian", {"score": "mahalanobis", "check_weight": True}, _gaussian),
        "train_segmenter": _run(database, clock, "train_segmenter", {"proximal": 0.01, "rounds": 20}, _segmenter),
        "conformal": _run(database, clock, "conformal", {"coverage": 0.9}, _threshold),
    }
    clock.now = until - timedelta(minutes=5)
    runs["histograms"] = _run(database, clock, "histograms", {}, lambda *_: None)
    clock.now = until - timedelta(seconds=50)
    runs["logistic"] = _run(database, clock, "logistic", {"ridge": 0.01}, _quality_model)
    return runs


def _give_keys(database: Database, clock: OwnClock) -> None:
    with database.write() as session:
        for number, name in enumerate(SITES):
            site = sites.register(session, name, None, clock(), "lead")
            federation_keys.give_key(session, site, bytes([number + 1]) * 32, clock(), "lead")
        changed = sites.site_named(session, "south-clinic")
        federation_keys.give_key(session, changed, b"s" * 32, clock() + timedelta(hours=1), "lead")


Tell = Callable[[DatabaseRunLog, OwnClock, RunBegan], None]


def _run(database: Database, clock: OwnClock, job: str, options: Options, tell: Tell) -> str:
    with database.write() as session:
        run = federated_runs.propose(session, job, options, clock(), "lead", deadline_s=600).run
    clock.forward(seconds=4)
    log = DatabaseRunLog(database, run, clock, pulse_s=3600)
    try:
        tell(log, clock, RunBegan(run, job, options, SITES))
    finally:
        log.close()
    return run


def _round(log: DatabaseRunLog, clock: OwnClock, ended: RoundEnded) -> None:
    clock.forward(seconds=ended.seconds)
    log.tell(ended)


def _gaussian(log: DatabaseRunLog, clock: OwnClock, began: RunBegan) -> None:
    log.tell(began)
    there = tuple(site for site in SITES if site not in SILENT)
    _round(log, clock, RoundEnded(1, 1, SITES, {}, 41.2, 92_300))
    first = RoundEnded(2, 1, there, SILENT, 38.9, 92_300)
    _round(log, clock, first)
    _round(log, clock, replace(first, number=2, seconds=67.4, bytes_per_site=8_412_700))
    told = {"sites": 4, "rows": 26368, "patients": 412, "weight": 0.0071}
    sentence = "4 sites took part in 2 rounds. Missing: new-clinic (silent)."
    log.tell(RunEnded(True, sentence, there, SILENT, (), told))


def _segmenter(log: DatabaseRunLog, clock: OwnClock, began: RunBegan) -> None:
    clock.forward(hours=4)
    log.tell(began)
    there = tuple(site for site in SITES if site != "island-hospital")
    missing = {"island-hospital": "not_allowed"}
    for number in range(1, 8):
        _round(log, clock, RoundEnded(1, number, there, missing, 301.5 + 3 * number, 13_830_400))


def _threshold(log: DatabaseRunLog, clock: OwnClock, began: RunBegan) -> None:
    clock.forward(hours=12)
    log.tell(began)
    missing = {"new-clinic": "too_few_patients", "island-hospital": "silent", "hill-hospital": "plans_differ"}
    sentence = (
        "Only 2 sites take part; at least 3 must. Missing: hill-hospital (plans differ), island-hospital (silent), "
        "new-clinic (too few patients)."
    )
    log.tell(RunEnded(False, sentence, missing=missing))


def _quality_model(log: DatabaseRunLog, clock: OwnClock, began: RunBegan) -> None:
    log.tell(began)
    _round(log, clock, RoundEnded(1, 1, SITES, {}, 12.8, 11_900))
    _round(log, clock, RoundEnded(1, 2, SITES, {}, 13.1, 11_900))
