"""The only socket of the agent: it dials out to the centre, and nothing calls in.

A report is sent until the centre has answered with the hash of exactly the bytes in the ledger. Short hiccups are
retried at once; everything longer is put off in the outbox, so that a restart loses nothing. What cannot succeed by
repeating is parked, and visible.
"""

import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import stamina
import stamina.instrumentation
from pydantic import ValidationError

from hospital_agent.errors import DeliveryError
from hospital_agent.store import outbox
from hospital_agent.store.database import Store
from hospital_agent.store.outbox import Letter
from shared.clock import Clock, rfc3339
from shared.logs import logger
from shared.report import AgentView, ReportReceipt

CONNECT_S, ANSWER_S = 5.0, 20.0
HICCUP_ATTEMPTS = 2
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 3600.0
LONGEST_RETRY_AFTER_S = outbox.LONGEST_WAIT.total_seconds()
SKEW_TOLD_S = 60.0
PERMANENT = frozenset({400, 404, 405, 409, 410, 411, 413, 414, 415, 422})

log = logger("sender")
stamina.instrumentation.set_on_retry_hooks([])  # its own messages would hold what was called with what


class Central:
    """The centre's API as the agent uses it.

    Args:
        url: base address.
        key: the site key.
        ca: PEM file of an own certificate authority; the system's trust store otherwise.
        transport: another wire, for tests.
    """

    def __init__(
        self, url: str, key: str, *, ca: Path | None = None, transport: httpx2.BaseTransport | None = None
    ) -> None:
        secure = transport is None and urlsplit(url).scheme == "https"
        self._client = httpx2.Client(
            base_url=f"{url.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
            verify=_trust(ca) if secure else True,
            transport=transport,
        )

    def deliver(self, letter: Letter) -> None:
        """Put one report.

        Raises:
            DeliveryError: the centre does not have it now.
        """
        answer = self._call("PUT", f"reports/{letter.report_id}", letter.body)
        try:
            receipt = ReportReceipt.model_validate_json(answer.content)
        except ValidationError:
            raise _unexpected() from None
        if receipt.sha256 != letter.sha256 or str(receipt.report_id) != letter.report_id:
            raise DeliveryError(
                "The centre confirmed other bytes than the ledger holds.", code="receipt_mismatch", permanent=True
            )

    def check_in(self) -> AgentView:
        """Give a sign of life; the answer says what the centre's clock shows.

        Raises:
            DeliveryError: the centre did not take it.
        """
        try:
            return AgentView.model_validate_json(self._call("GET", "agents/self").content)
        except ValidationError:
            raise _unexpected() from None

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _call(self, method: str, path: str, body: bytes | None = None) -> httpx2.Response:
        for attempt in stamina.retry_context(
            on=_is_hiccup, attempts=HICCUP_ATTEMPTS, timeout=ANSWER_S, wait_initial=0.2, wait_max=1.0
        ):
            with attempt:
                return self._once(method, path, body)
        raise AssertionError("unreachable")  # pragma: no cover - stamina re-raises the last error

    def _once(self, method: str, path: str, body: bytes | None) -> httpx2.Response:
        try:
            answer = self._client.request(method, path, content=body)
        except httpx2.HTTPError as error:
            raise DeliveryError("The centre cannot be reached.", code="unreachable", permanent=False) from error
        if answer.status_code in (200, 201):
            return answer
        raise DeliveryError(
            f"The centre answered {answer.status_code}.",
            code=f"http_{answer.status_code}",
            permanent=answer.status_code in PERMANENT,
            retry_after_s=_retry_after(answer),
        )


@dataclass
class Sender:
    """Empties the outbox and gives signs of life.

    Args:
        every_s: time between two signs of life.
        reached: told the name of each point at which a crash must do no harm.
        jitter: uniform on [0, 1), so that agents do not all come back in the same second.
    """

    store: Store
    central: Central
    clock: Clock
    every_s: float
    reached: Callable[[str], None]
    jitter: Callable[[], float] = random.random
    _last_sign_at: datetime | None = None

    def send_due(self) -> int:
        """Send what is due, oldest first, until the outbox is empty or the centre does not answer; returns how many."""
        sent = 0
        while (letter := self._next()) is not None:
            self.reached("before_delivery")
            try:
                self.central.deliver(letter)
            except DeliveryError as error:
                if not self._not_delivered(letter, error):
                    break
                continue
            self.reached("delivered")
            with self.store.write() as session:
                outbox.mark_sent(session, letter, self.clock())
            log.info("report_sent", report_id=letter.report_id, sha256=letter.sha256, bytes=len(letter.body))
            sent += 1
        return sent

    def give_sign_of_life(self) -> None:
        """Check in when it is time to; measure how far the clocks are apart."""
        now = self.clock()
        if self._last_sign_at is not None and abs((now - self._last_sign_at).total_seconds()) < self.every_s:
            return
        self._last_sign_at = now
        try:
            view = self.central.check_in()
        except DeliveryError as error:
            log.warning("sign_of_life_failed", reason=error.code)
            self.store.keep_facts({"sign_of_life_failure": error.code})
            return
        skew = round((now - view.server_time).total_seconds(), 1)
        if abs(skew) > SKEW_TOLD_S:
            log.warning("clock_is_off", skew_s=round(skew))
        self.store.keep_facts(
            {"clock_skew_s": f"{skew + 0.0:.1f}", "last_sign_of_life_at": rfc3339(now), "sign_of_life_failure": ""}
        )

    def _next(self) -> Letter | None:
        with self.store.read() as session:
            return outbox.due(session, self.clock())

    def _not_delivered(self, letter: Letter, error: DeliveryError) -> bool:
        """Park or put off; whether the next letter may be tried."""
        wait_s = _wait(letter.attempts, error, self.jitter())
        with self.store.write() as session:
            if error.permanent:
                outbox.park(session, letter, error.code)
            else:
                outbox.put_off(session, letter, error.code, self.clock(), wait_s)
        log.warning(
            "report_parked" if error.permanent else "report_put_off",
            report_id=letter.report_id,
            reason=error.code,
            attempt=letter.attempts + 1,
            retry_in_s=None if error.permanent else round(wait_s, 1),
        )
        return error.permanent


def _trust(ca: Path | None) -> ssl.SSLContext:
    if ca is not None:
        return ssl.create_default_context(cafile=str(ca))
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _is_hiccup(error: Exception) -> bool:
    return isinstance(error, DeliveryError) and error.code in {"unreachable", "http_502", "http_504"}


def _retry_after(answer: httpx2.Response) -> float | None:
    """Seconds from a Retry-After header; dates are rare there and are ignored."""
    told = answer.headers.get("Retry-After", "")
    return min(float(told), LONGEST_RETRY_AFTER_S) if told.isdigit() else None


def _wait(attempts: int, error: DeliveryError, jitter: float) -> float:
    """Twice as long each time, up to an hour, between half and one and a half of it; at least what the centre asked."""
    doubled: float = min(FIRST_WAIT_S * 2.0 ** min(attempts, 20), LONGEST_WAIT_S)
    return max(doubled * (0.5 + jitter), error.retry_after_s or 0.0)


def _unexpected() -> DeliveryError:
    return DeliveryError(
        "The answer is not the centre's; a proxy may have answered instead.", code="unexpected_answer", permanent=False
    )
