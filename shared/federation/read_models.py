"""What the REST API of the centre answers about federated runs. Needs no extra.

Nothing here is of one site alone, but who took part, for how long, and how many bytes went.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, FiniteFloat

from shared.report import Count, SiteName, Wire

RunState = Literal["proposed", "running", "completed", "failed", "interrupted"]
Told = bool | int | FiniteFloat | str


class MissingSite(Wire):
    """An invited site that is not in a total; `words` says what the slug `reason` means."""

    site: SiteName
    reason: str
    words: str


class RoundView(Wire):
    """One sum of a run.

    `attempt` counts from 1 and grows when the run begins again because a site fell out; `bytes_per_site` is the most
    that one site sent.
    """

    attempt: Count
    number: Count
    contributors: tuple[SiteName, ...]
    missing: tuple[MissingSite, ...]
    seconds: float
    bytes_per_site: Count
    ended_at: AwareDatetime


class RunOverview(Wire):
    """One run in the list.

    `state` is `interrupted` where whoever led the run has given no sign of life. `sentence` says for people how it
    stands. `told` is what the sites made of the totals, the same at each of them. `seconds` and `bytes_per_site`
    are sums over the rounds so far.
    """

    run: str
    job: str
    options: Mapping[str, Told]
    state: RunState
    sentence: str
    actor: str
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    invited: tuple[SiteName, ...]
    contributors: tuple[SiteName, ...]
    missing: tuple[MissingSite, ...]
    told: Mapping[str, Told]
    round_count: Count
    seconds: float
    bytes_per_site: Count


class RunDetail(Wire):
    """A run with its rounds, oldest first."""

    overview: RunOverview
    deadline_s: float
    asked_sites: tuple[SiteName, ...] | None
    rounds: tuple[RoundView, ...]


class FederationKey(Wire):
    """The public key by which a site is known in federated work. `fingerprint` is what people compare.

    `last_seen_at` is the site's last sum under this key; `revoked_at` is None while the key is good.
    """

    site: SiteName
    fingerprint: str
    public_key: str
    registered_at: AwareDatetime
    registered_by: str
    last_seen_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
