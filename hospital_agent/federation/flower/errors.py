"""What can go wrong between a site's node and the SuperLink.

MonitoringError
└── FederationError
    ├── NodeKeyUnusable    the node key is missing or none that Flower takes
    ├── SeatTaken          another process of this site is the node already
    ├── LinkDown           the SuperLink cannot be reached, or the line was cut
    ├── NotAdmitted        the SuperLink knows the node's key not, or not yet again
    └── RunOver            the run that a message belongs to has ended meanwhile
"""

from shared.federation.errors import FederationError


class NodeKeyUnusable(FederationError):
    """The node key is missing or none that Flower takes."""


class SeatTaken(FederationError):
    """Another process of this site is the node already."""


class LinkDown(FederationError):
    """The SuperLink cannot be reached, or the line was cut in the middle of something."""


class NotAdmitted(FederationError):
    """The SuperLink does not let the node in."""


class RunOver(FederationError):
    """The run that a message belongs to has ended meanwhile; nobody waits for the answer."""
