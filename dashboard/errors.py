"""What can go wrong between the dashboard and the centre, each with a sentence that a page may show.

MonitoringError
└── DashboardError
    ├── SignInNeeded         nobody is signed in, or the session has ended
    ├── SignInRefused        the centre knows no such name and password
    ├── CentralUnreachable   no answer, or the centre itself failed; worth trying again
    ├── CentralRefused       the centre answered and said no; `detail` is its own sentence
    │   └── NotFound         there is no such site, quantity or alert
    └── UnreadableAnswer     the answer is not of the read models that this dashboard knows
"""

from shared.errors import MonitoringError


class DashboardError(MonitoringError):
    """Base of the dashboard's errors; the message is shown to the person as it is."""


class SignInNeeded(DashboardError):
    """Nobody is signed in, or the session has ended."""


class SignInRefused(DashboardError):
    """The centre did not accept the name and password."""


class CentralUnreachable(DashboardError):
    """The centre did not answer or failed; the same question may succeed later."""


class CentralRefused(DashboardError):
    """The centre understood and said no.

    Args:
        status: the HTTP status, 400 to 499.
        detail: the sentence of the centre's problem document.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class NotFound(CentralRefused):
    """What was asked for does not exist."""


class UnreadableAnswer(DashboardError):
    """The answer does not fit the read models; the centre and the dashboard are of different versions."""
