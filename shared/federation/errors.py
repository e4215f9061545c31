"""What can go wrong between centre and site.

MonitoringError
└── FederationError
    ├── BrokenMessage      bytes that are not the expected message
    └── BrokenSiteKey      text that is no public key of a site
"""

from shared.errors import MonitoringError


class FederationError(MonitoringError):
    """Base of what goes wrong while sites compute together."""


class BrokenMessage(FederationError, ValueError):
    """Bytes that are not the expected message; echoes nothing of them."""


class BrokenSiteKey(FederationError, ValueError):
    """Text that is no public key of a site."""
