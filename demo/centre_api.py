"""What the centre tells people, asked as the lead asks it: over the REST API."""

from typing import Any

import httpx2

from shared.read_models import AlertView, DetectorSeries, Page, SessionToken, SiteOverview


class CentreApi:
    """The REST API of a centre that runs.

    Args:
        url: without `/api/v1`.
    """

    def __init__(self, url: str, lead: str, password: str) -> None:
        self.api, self.lead, self.password = url, lead, password
        self._token: str | None = None

    def get(self, path: str) -> Any:
        """Ask the REST API as the lead."""
        if self._token is None:
            answer = httpx2.post(
                f"{self.api}/api/v1/session", json={"username": self.lead, "password": self.password}, timeout=30
            )
            answer.raise_for_status()
            self._token = SessionToken.model_validate_json(answer.content).token
        answer = httpx2.get(f"{self.api}/api/v1{path}", headers={"Authorization": f"Bearer {self._token}"}, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def alerts(self) -> list[AlertView]:
        """Every alert of the run, open or not."""
        return list(Page[AlertView].model_validate(self.get("/alerts?limit=100")).items)

    def sites(self) -> dict[str, SiteOverview]:
        """The overview, by name of the site."""
        return {site.site: site for site in Page[SiteOverview].model_validate(self.get("/sites")).items}

    def evidence(self, site: str) -> list[DetectorSeries]:
        """The detectors of a site over time."""
        return [DetectorSeries.model_validate(item) for item in self.get(f"/sites/{site}/detectors")]
