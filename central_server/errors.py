"""What the central server refuses, and with which HTTP status.

    MonitoringError
    └── CentralError                 status and slug become the problem+json answer
        ├── NotSignedIn        401   no key, token or session, or one that is not good
        ├── NotAllowed         403   a good one, but not for this
        ├── NotFound           404   no such site, quantity, alert or report
        ├── BadCursor          400   a cursor that this server did not give out
        ├── ReportConflict     409   another body was already stored under this report id
        ├── ReportTooLarge     413   a report beyond the configured size
        ├── BodyTooLarge       413   any other body beyond 16 KiB
        ├── ReportRefused      422   the body is not a report, or not this site's
        ├── UnsupportedBody    415   a compressed or non-JSON body
        ├── AlertConflict      409   somebody else changed the alert first
        ├── RunIsOver          409   a federated run that ended before
        ├── SiteKeyTaken       409   a public key that is another site's
        ├── FederationMissing  503   the `federation` extra is not installed
        ├── TooManyAttempts    429   sign-ins that failed too often
        ├── SchemaBehind       503   the database has not been migrated
        └── DatabaseDamaged    503   SQLite's integrity check failed

Settings that are missing or contradict one another are `shared.errors.SettingsError`.
"""

from shared.errors import MonitoringError


class CentralError(MonitoringError):
    """Base of the server's refusals. `detail` is the sentence that a caller reads; it echoes nothing that was sent."""

    status = 500
    slug = "internal-error"
    title = "Internal error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotSignedIn(CentralError):
    """No credential, or one that is unknown, expired or revoked; which of them is not said."""

    status, slug, title = 401, "not-signed-in", "Not signed in"


class NotAllowed(CentralError):
    """The credential is good but does not allow this."""

    status, slug, title = 403, "not-allowed", "Not allowed"


class NotFound(CentralError):
    """There is no such thing."""

    status, slug, title = 404, "not-found", "Not found"


class BadCursor(CentralError):
    """The cursor was not given out by this server."""

    status, slug, title = 400, "bad-cursor", "Bad cursor"


class ReportConflict(CentralError):
    """Another body is stored under this id; the stored one stays."""

    status, slug, title = 409, "report-conflict", "Report conflict"


class ReportTooLarge(CentralError):
    """The body is larger than a report may be."""

    status, slug, title = 413, "report-too-large", "Report too large"


class BodyTooLarge(CentralError):
    """The body is larger than anything that this address takes."""

    status, slug, title = 413, "body-too-large", "Body too large"


class ReportRefused(CentralError):
    """The body is not a report of the wire model, or does not belong to its path or site."""

    status, slug, title = 422, "report-refused", "Report refused"


class UnsupportedBody(CentralError):
    """The body is compressed or declared as something other than JSON."""

    status, slug, title = 415, "unsupported-body", "Unsupported body"


class AlertConflict(CentralError):
    """The alert is no longer in the state in which this step is possible."""

    status, slug, title = 409, "alert-conflict", "Alert changed"


class RunIsOver(CentralError):
    """The federated run ended before; what comes after that is not taken in."""

    status, slug, title = 409, "run-is-over", "Run is over"


class SiteKeyTaken(CentralError):
    """The public key speaks for another site."""

    status, slug, title = 409, "site-key-taken", "Key of another site"


class FederationMissing(CentralError):
    """The `federation` extra is not installed here."""

    status, slug, title = 503, "federation-missing", "Federation not installed"


class TooManyAttempts(CentralError):
    """Too many failed sign-ins from one address; `retry_after_s` says when to try again."""

    status, slug, title = 429, "too-many-attempts", "Too many attempts"

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class SchemaBehind(CentralError):
    """The database lacks migrations; `central-server migrate` applies them."""

    status, slug, title = 503, "schema-behind", "Database not migrated"


class DatabaseDamaged(CentralError):
    """The database file failed its integrity check and is not written to."""

    status, slug, title = 503, "database-damaged", "Database damaged"
