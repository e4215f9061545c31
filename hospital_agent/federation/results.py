"""What a federated run told this site's people, where nothing is proposed: one JSON file a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hospital_agent.federation.site_jobs import Ended
from hospital_agent.settings import Settings
from shared.clock import Clock, rfc3339, utc_now

FOLDER = "results"


def keep_result(settings: Settings, job: str, ended: Ended, told: Mapping[str, Any], clock: Clock = utc_now) -> Path:
    """Write what the totals say; returns where."""
    folder = settings.federation_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{ended.run}.json"
    content = {
        "run": ended.run,
        "job": job,
        "sites": sorted(ended.contributors),
        "at": rfc3339(clock()),
        **told,
    }
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def kept(settings: Settings) -> dict[str, str]:
    """Which runs left a result: the run and where its file lies."""
    folder = settings.federation_dir / FOLDER
    return {path.stem: str(path) for path in sorted(folder.glob("*.json"))}
