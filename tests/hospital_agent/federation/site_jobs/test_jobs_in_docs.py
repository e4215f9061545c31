"""The centre does not know what sites can compute; the manual tells its people, and tells all of it."""

import re
from pathlib import Path

from hospital_agent.federation.site_jobs import site_jobs

MANUAL = Path(__file__).parents[4] / "docs" / "federation.md"


def test_the_manual_lists_every_job_and_no_other() -> None:
    section = MANUAL.read_text(encoding="utf-8").partition("## 4. A run")[2].partition("###")[0]
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
    assert listed == set(site_jobs.load("hospital_agent.federation.site_jobs").names())
