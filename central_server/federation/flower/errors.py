"""What can go wrong between the centre and its own SuperLink.

MonitoringError
└── FederationError
    ├── SuperLinkAway          it cannot be reached
    ├── SuperLinkRefused       it does not do what it was asked for
    ├── CertificatesExist      certificates were made before and are not overwritten
    ├── NodeKeyRefused         what was given is no public key of a node
    └── UnknownNode            no node is registered for this site
"""

from shared.federation.errors import FederationError


class SuperLinkAway(FederationError):
    """The SuperLink cannot be reached."""


class SuperLinkRefused(FederationError):
    """The SuperLink does not do what it was asked for; the sentence gives its reason."""


class CertificatesExist(FederationError):
    """Certificates were made before; making new ones would lock every site out."""


class NodeKeyRefused(FederationError, ValueError):
    """What was given is no public key of a node."""


class UnknownNode(FederationError, LookupError):
    """No node is registered for this site."""
