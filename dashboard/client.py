"""The dashboard's only way to the centre: typed questions to the REST API, answered in read models.

Every question is asked with the token of the person who looks, never with one of the dashboard's own, so that the
centre decides what this person may see and records who acknowledged an alert.
"""

import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import TypeAdapter, ValidationError

from dashboard.answer_memory import AnswerMemory
from dashboard.errors import (
    CentralRefused,
    CentralUnreachable,
    NotFound,
    SignInNeeded,
    SignInRefused,
    UnreadableAnswer,
)
from dashboard.settings import Settings
from shared.federation.read_models import FederationKey, RunDetail, RunOverview
from shared.read_models import (
    AlertAction,
    AlertState,
    AlertView,
    DetectorSeries,
    DriftSeries,
    MetricInfo,
    MetricSeries,
    Page,
    RateSeries,
    SessionToken,
    SignIn,
    SiteDetail,
    SiteOverview,
)

T = TypeVar("T")

API = "/api/v1"
PARALLEL_QUESTIONS = 4
RUNS_SHOWN = 50

_SITES: TypeAdapter[Page[SiteOverview]] = TypeAdapter(Page[SiteOverview])
_SITE = TypeAdapter(SiteDetail)
_METRICS = TypeAdapter(tuple[MetricInfo, ...])
_METRIC = TypeAdapter(MetricSeries)
_DRIFT = TypeAdapter(DriftSeries)
_RATES = TypeAdapter(RateSeries)
_DETECTORS = TypeAdapter(tuple[DetectorSeries, ...])
_ALERTS: TypeAdapter[Page[AlertView]] = TypeAdapter(Page[AlertView])
_ALERT = TypeAdapter(AlertView)
_RUNS: TypeAdapter[Page[RunOverview]] = TypeAdapter(Page[RunOverview])
_RUN = TypeAdapter(RunDetail)
_KEYS: TypeAdapter[Page[FederationKey]] = TypeAdapter(Page[FederationKey])
_TOKEN = TypeAdapter(SessionToken)


class CentralClient:
    """Speaks HTTP with the centre; safe to use from several threads.

    Args:
        http: carries the base address, the trust and the timeout; tests give one with a mock transport.
    """

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        self._memory = AnswerMemory()

    def sign_in(self, username: str, password: str) -> SessionToken:
        """Exchange a name and password for a token.

        Raises:
            SignInRefused: name or password are wrong, or there were too many tries.
            CentralUnreachable: the centre does not answer.
        """
        try:
            body = SignIn(username=username, password=password)
        except ValidationError:
            raise SignInRefused("Please give a name and a password.") from None
        try:
            response = self._send("POST", f"{API}/session", None, json=body.model_dump())
        except SignInNeeded:
            raise SignInRefused("The name or the password is wrong.") from None
        except CentralRefused as error:
            raise SignInRefused(error.detail) from None
        return _parse(_TOKEN, response)

    def sign_out(self, token: str) -> None:
        """End the session at the centre; a session that has already ended is no error."""
        try:
            self._send("DELETE", f"{API}/session", token)
        except SignInNeeded:
            return

    def for_person(self, token: str) -> "CentralForPerson":
        """The same client with one person's token."""
        return CentralForPerson(self, token)

    def ask(self, adapter: TypeAdapter[T], path: str, token: str, params: Mapping[str, str] | None = None) -> T:
        """GET a read model; an answer that has not changed since the last time comes from memory."""
        asked_for = f"{sha256(token.encode()).hexdigest()} {path} {sorted((params or {}).items())}"
        known = self._memory.get(asked_for)
        headers = {"If-None-Match": known.etag} if known else {}
        response = self._send("GET", f"{API}{path}", token, params=params, headers=headers)
        if known and response.status_code == httpx2.codes.NOT_MODIFIED:
            return known.answer  # type: ignore[no-any-return]
        answer = _parse(adapter, response)
        if etag := response.headers.get("etag"):
            self._memory.put(asked_for, etag, answer, len(response.content))
        return answer

    def tell(self, adapter: TypeAdapter[T], path: str, token: str, body: AlertAction) -> T:
        """POST an action and read the answer."""
        return _parse(adapter, self._send("POST", f"{API}{path}", token, json=body.model_dump()))

    def _send(self, method: str, path: str, token: str | None, **request: Any) -> httpx2.Response:
        headers = {"Accept": "application/json", **(request.pop("headers", None) or {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._http.request(method, path, headers=headers, **request)
        except httpx2.TimeoutException:
            raise CentralUnreachable("The central server takes too long to answer.") from None
        except httpx2.TransportError:
            raise CentralUnreachable("The central server cannot be reached.") from None
        _refuse(response)
        return response


class CentralForPerson:
    """Questions and actions of one signed-in person."""

    def __init__(self, client: CentralClient, token: str) -> None:
        self._client = client
        self._token = token

    def sites(self) -> tuple[SiteOverview, ...]:
        """All sites this person may see, over all pages of the list."""
        return self._all_pages(_SITES, "/sites", {})

    def site(self, site: str) -> SiteDetail:
        """One site."""
        return self._client.ask(_SITE, f"/sites/{_part(site)}", self._token)

    def metrics(self, site: str) -> tuple[MetricInfo, ...]:
        """The quantities that a site has reported."""
        return self._client.ask(_METRICS, f"/sites/{_part(site)}/metrics", self._token)

    def metric(self, site: str, metric: str, stratum: str = "all") -> MetricSeries:
        """One quantity over time."""
        path = f"/sites/{_part(site)}/metrics/{_part(metric)}"
        return self._client.ask(_METRIC, path, self._token, {"stratum": stratum})

    def several_metrics(self, site: str, metrics: Iterable[str]) -> tuple[MetricSeries, ...]:
        """Several quantities over time, asked for side by side and answered in the order asked."""
        with ThreadPoolExecutor(PARALLEL_QUESTIONS, thread_name_prefix="metric") as threads:
            return tuple(threads.map(lambda name: self.metric(site, name), metrics))

    def drift(self, site: str, metric: str, stratum: str = "all") -> DriftSeries:
        """Distances of one quantity from the baseline over time."""
        path = f"/sites/{_part(site)}/drift/{_part(metric)}"
        return self._client.ask(_DRIFT, path, self._token, {"stratum": stratum})

    def rates(self, site: str) -> RateSeries:
        """The rates over time."""
        return self._client.ask(_RATES, f"/sites/{_part(site)}/rates", self._token)

    def detectors(self, site: str) -> tuple[DetectorSeries, ...]:
        """The site's change detectors over time."""
        return self._client.ask(_DETECTORS, f"/sites/{_part(site)}/detectors", self._token)

    def alerts(self, *, state: AlertState | None = None, site: str | None = None) -> tuple[AlertView, ...]:
        """Alerts, over all pages of the list."""
        chosen = {"state": state, "site": site}
        return self._all_pages(_ALERTS, "/alerts", {key: value for key, value in chosen.items() if value})

    def alert(self, alert_id: str) -> AlertView:
        """One alert."""
        return self._client.ask(_ALERT, f"/alerts/{_part(alert_id)}", self._token)

    def runs(self) -> Page[RunOverview]:
        """The newest federated runs."""
        return self._client.ask(_RUNS, "/federation/runs", self._token, {"limit": str(RUNS_SHOWN)})

    def run(self, run: str) -> RunDetail:
        """One federated run with its rounds."""
        try:
            return self._client.ask(_RUN, f"/federation/runs/{_part(run)}", self._token)
        except CentralRefused as refused:
            if refused.status == httpx2.codes.UNPROCESSABLE_CONTENT:  # no id at all, mistyped into the address bar
                raise NotFound(refused.status, refused.detail) from None
            raise

    def federation_keys(self) -> tuple[FederationKey, ...]:
        """The keys by which sites are known in federated work, those that ended too."""
        return self._all_pages(_KEYS, "/federation/sites", {})

    def acknowledge(self, alert_id: str, comment: str) -> AlertView:
        """Take an alert on; the centre records this person as the actor."""
        return self._act(alert_id, "acknowledge", comment)

    def resolve(self, alert_id: str, comment: str) -> AlertView:
        """Close an alert; the centre records this person as the actor."""
        return self._act(alert_id, "resolve", comment)

    def _act(self, alert_id: str, action: str, comment: str) -> AlertView:
        try:
            body = AlertAction(comment=comment)
        except ValidationError:
            raise CentralRefused(422, "The comment is too long: at most 1000 characters.") from None
        return self._client.tell(_ALERT, f"/alerts/{_part(alert_id)}/{action}", self._token, body)

    def _all_pages(self, adapter: TypeAdapter[Page[T]], path: str, params: Mapping[str, str]) -> tuple[T, ...]:
        items: list[T] = []
        cursor: str | None = None
        while True:
            asked = {**params, "cursor": cursor} if cursor else dict(params)
            page = self._client.ask(adapter, path, self._token, asked)
            items.extend(page.items)
            if page.next_cursor is None or page.next_cursor == cursor:
                return tuple(items)
            cursor = page.next_cursor


def connect(settings: Settings) -> CentralClient:
    """A client for the centre that the settings name.

    The centre stands beside the dashboard: a proxy meant for the outside world is not asked, so that it sees no token.
    """
    trust = ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file else True
    address = settings.central_url.rstrip("/")
    return CentralClient(httpx2.Client(base_url=address, timeout=settings.timeout_s, verify=trust, trust_env=False))


def _part(name: str) -> str:
    """A name as one segment of a path, whatever a person typed into the address bar."""
    return quote(name, safe="")


def _refuse(response: httpx2.Response) -> None:
    status = response.status_code
    if response.is_success or status == httpx2.codes.NOT_MODIFIED:
        return
    if status == httpx2.codes.UNAUTHORIZED:
        raise SignInNeeded("Your session has ended. Please sign in again.")
    if status >= 500:
        raise CentralUnreachable(f"The central server could not answer (HTTP {status}).")
    if status == httpx2.codes.NOT_FOUND:
        raise NotFound(status, _detail(response))
    raise CentralRefused(status, _detail(response))


def _detail(response: httpx2.Response) -> str:
    """The sentence of a problem document; a proxy's HTML page is not shown to a person."""
    try:
        body = response.json()
    except ValueError:
        body = None
    detail = body.get("detail") or body.get("title") if isinstance(body, dict) else None
    return str(detail) if detail else f"The central server refused this (HTTP {response.status_code})."


def _parse(adapter: TypeAdapter[T], response: httpx2.Response) -> T:
    try:
        return adapter.validate_json(response.content)
    except ValidationError:
        message = "The central server's answer cannot be read: it and this dashboard are of different versions."
        raise UnreadableAnswer(message) from None
