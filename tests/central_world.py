"""A central server with its sites, as tests need it: a clock that they own, and callers with their credentials."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from central_server.app import create_app
from central_server.centre import Centre
from central_server.credentials import key_hash, new_key
from central_server.database import reports, sites
from central_server.settings import Settings
from shared.report import SiteReport
from tests.report_factory import SiteStory, body_of, reports_of

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
PASSWORD = "tulip-anchor-93-violet"
CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
READING_TOKEN = "r" + "0123456789abcdef" * 2
WRITING_TOKEN = "w" + "0123456789abcdef" * 2


STORIES = (
    SiteStory("north-clinic", windows=12, warm_up=5, strata=("manufacturer=siemens",)),
    SiteStory("south-clinic", windows=14, warm_up=5, patients=25, drift_from=8),
    SiteStory("island-hospital", windows=12, warm_up=5, suppressed=frozenset({7, 11}),
              withheld=frozenset({"component_count"})),
    SiteStory("hill-hospital", windows=7, warm_up=5, far_from_model=True),
    SiteStory("new-clinic", windows=2),
)  # fmt: skip
"""What the sites of a told world went through: steady, shifted, suppressed at times, far from the model, young."""


@dataclass
class OwnClock:
    """A clock that stands until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


def settings_for(url: str, **changes: Any) -> Settings:
    """Settings of a test server: nothing by itself, passes only when asked for."""
    given = {
        "database_url": url,
        "lead_password": CHEAP_HASH,
        "api_tokens": f"reader:{READING_TOKEN}\nwriter:{WRITING_TOKEN}:write",
        "pass_interval_s": 86400,
    }
    return Settings(**{**given, **changes})


@dataclass
class World:
    """A running server and the keys of its sites."""

    client: TestClient
    centre: Centre
    clock: OwnClock
    keys: dict[str, str] = field(default_factory=dict)
    _lead: tuple[str, datetime] | None = None

    def add_site(self, name: str, title: str | None = None) -> str:
        """Register a site; returns its key."""
        key = new_key()
        with self.centre.database.write() as session:
            site = sites.register(session, name, title, self.clock(), "test")
            sites.give_key(session, site, key_hash("site", key), self.clock(), actor="test")
        self.keys[name] = key
        return key

    def as_site(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}

    def as_lead(self) -> dict[str, str]:
        if self._lead is None or self._lead[1] <= self.clock():
            answer = self.client.post("/api/v1/session", json={"username": "lead", "password": PASSWORD}).json()
            self._lead = answer["token"], datetime.fromisoformat(answer["expires_at"])
        return {"Authorization": f"Bearer {self._lead[0]}"}

    def put(self, report: SiteReport, body: bytes | None = None, **headers: str) -> Any:
        return self.client.put(
            f"/api/v1/reports/{report.report_id}",
            content=body_of(report) if body is None else body,
            headers={"Content-Type": "application/json", **self.as_site(report.site), **headers},
        )

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1{path}", params=query, headers=self.as_lead())

    def post(self, path: str, json: Any = None, headers: dict[str, str] | None = None) -> Any:
        return self.client.post(f"/api/v1{path}", json=json, headers=headers or self.as_lead())

    def tell(self, story: SiteStory, *, at_once: bool = False) -> list[SiteReport]:
        """Register the story's site and take in everything it has to say, past HTTP for speed.

        A monitoring pass follows each report, as behind `PUT`; with `at_once` a single one follows them all.
        """
        if story.site not in self.keys:
            self.add_site(story.site)
        told = reports_of(story)
        self.take_in(told, at_once=at_once)
        return told

    def hear(self) -> None:
        """Take in all STORIES."""
        for story in STORIES:
            self.tell(story, at_once=True)

    def take_in(self, told: Iterable[SiteReport], *, at_once: bool = False) -> None:
        """Store reports of registered sites and monitor them."""
        for report in told:
            with self.centre.database.read() as session:
                site_id = sites.site_named(session, report.site).id
            reports.accept(self.centre.database, site_id, report, body_of(report), self.clock())
            if not at_once:
                self.centre.monitor.nudge()
        self.centre.monitor.nudge()

    def alerts(self, **query: Any) -> list[dict[str, Any]]:
        return self.get("/alerts", **query).json()["items"]


@contextmanager
def running(url: str, **changes: Any) -> Iterator[World]:
    """A server on a migrated database, ended with the block."""
    clock = OwnClock()
    app = create_app(settings_for(url, **changes), clock)
    with TestClient(app, raise_server_exceptions=False) as client:
        centre: Centre = app.state.centre
        until = monotonic() + 30
        while centre.monitor.last_success_at is None and monotonic() < until:
            sleep(0.002)  # the pass at the start runs in a thread of its own; tests begin after it
        yield World(client, centre, clock)
