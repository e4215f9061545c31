"""What a site gives to federated work, in a file of its own: nothing that is not named there.

The centre asks; this file answers. It is read anew for each question, so that a site that changes its mind need not
restart anything, and a file that cannot be understood gives nothing.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from hospital_agent.federation.rules import NotAllowed
from shared.errors import SettingsError
from shared.report import SiteName
from shared.secure_sum.cohorts import SMALLEST_COHORT

SETTING = "AGENT_FEDERATION_POLICY_FILE"
TRAINING = ("autoencoder", "averag", "refine", "segmenter", "train")
"""Jobs whose names begin so change the weights of a network."""
PINNED: Literal["pinned"] = "pinned"

EXAMPLE = """\
# What this hospital gives to federated work. Nothing is given that is not named here; sums alone leave, never a case.
# Read anew for every question of the centre. Check it with: hospital-agent federation policy

version = "1"              # yours, for people

smallest_cohort = 3        # least number of sites in a sum, this one included; never below 3
partners = "pinned"        # every site whose key is pinned here, or a list: ["hospital-east", "hospital-west"]
most_numbers = 1000000     # in one vector; 8 bytes each
training = false           # jobs that train or refine a network, beside their own line below

[jobs.gaussian]            # mean and covariance of the model's features over all sites
allowed = true

[jobs.histograms]          # histograms of the scores of the last released window, under AGENT_K
allowed = true
smallest_cohort = 4        # each line above can be said otherwise for one job

[jobs.logistic]            # the quality model, from cases with a reference mask
allowed = false

[jobs.conformal]           # a threshold of failure, from cases with a reference mask
allowed = false

[jobs.train_segmenter]     # the network itself; with training = true above
allowed = false
most_numbers = 2000000

[jobs.train_mask_autoencoder]          # what knows plausible masks, from reference masks alone
allowed = false

[jobs.train_segmentation_distortion]   # what knows the network's features, from images alone
allowed = false
most_numbers = 2000000
"""

Cohort = Annotated[StrictInt, Field(ge=SMALLEST_COHORT)]
Numbers = Annotated[StrictInt, Field(ge=1)]
Partners = Literal["pinned"] | tuple[SiteName, ...]


class JobRules(BaseModel):
    """What holds for one job; what it leaves open is said for all."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    allowed: StrictBool = False
    smallest_cohort: Cohort | None = None
    partners: Partners | None = None
    most_numbers: Numbers | None = None


class Rules(BaseModel):
    """What holds for all jobs.

    Args:
        version: the site's own, for people.
        smallest_cohort: least number of sites in a sum, this one included.
        partners: with whom it sums: "pinned" for every site whose key is pinned here, or their names.
        most_numbers: in one vector.
        training: whether jobs that change a network's weights may be allowed at all.
        jobs: name -> what holds for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: str = "unversioned"
    smallest_cohort: Cohort = SMALLEST_COHORT
    partners: Partners = ()
    most_numbers: Numbers = 1_000_000
    training: StrictBool = False
    jobs: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], JobRules] = Field(default_factory=dict)

    def of_job(self, job: str) -> "JobRules":
        """What holds for a job, everything said."""
        own = self.jobs.get(job, JobRules())
        trains = job.startswith(TRAINING)
        return JobRules(
            allowed=own.allowed and (self.training or not trains),
            smallest_cohort=own.smallest_cohort or self.smallest_cohort,
            partners=self.partners if own.partners is None else own.partners,
            most_numbers=own.most_numbers or self.most_numbers,
        )


class PolicyFile:
    """The `FederationRules` of a site.

    Args:
        path: of the file; None, or a file that cannot be used, gives nothing.
        site: the site's own name, which need not stand among its partners.
    """

    def __init__(self, path: Path | None, site: str) -> None:
        self._path, self._site = path, site

    def rules(self) -> Rules:
        """What the file says now.

        Raises:
            SettingsError: it is not set, cannot be read or says something else; names the line or the entry.
        """
        if self._path is None:
            raise SettingsError(f"{SETTING} is not set: this site gives nothing to federated work.")
        return read_rules(self._path)

    def check(self, job: str, quantity: str) -> None:  # noqa: ARG002 - jobs are allowed, whatever they are over
        """Whether the site takes part in this job at all.

        Raises:
            NotAllowed: its file does not say so.
            SettingsError: the file cannot be used.
        """
        self._allowed(job)

    def check_cohort(self, job: str, cohort: Sequence[str], length: int) -> None:
        """Whether it gives a vector of so many numbers to a sum over these sites.

        Raises:
            NotAllowed: too few sites, one that is no partner, or too many numbers.
            SettingsError: the file cannot be used.
        """
        own = self._allowed(job)
        if len(set(cohort)) < (own.smallest_cohort or SMALLEST_COHORT):
            raise NotAllowed(f"This site gives to sums of at least {own.smallest_cohort} sites in this job.")
        strangers = [] if own.partners == PINNED else sorted({*cohort} - {*(own.partners or ()), self._site})
        if strangers:
            raise NotAllowed(f"This site does not sum with {', '.join(strangers)} in this job.")
        if length > (own.most_numbers or 0):
            raise NotAllowed(f"This site gives at most {own.most_numbers} numbers in one vector of this job.")

    def _allowed(self, job: str) -> JobRules:
        own = self.rules().of_job(job)
        if not own.allowed:
            raise NotAllowed("This site's policy does not allow this job.")
        return own


def read_rules(path: Path) -> Rules:
    """The rules in a file.

    Raises:
        SettingsError: it cannot be read or says something else; names the line or the entry, and no value.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{SETTING} names a file that cannot be read.") from None
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line \d+|end of document", str(error))
        raise SettingsError(f"{SETTING} is not TOML{f': see {where[0]}' if where else ''}.") from None
    try:
        return Rules.model_validate(told)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        named = sorted({_entry(problem["loc"]) for problem in problems})
        raise SettingsError(f"{SETTING} says something unusable in {', '.join(named)}.") from None


def _entry(location: tuple[int | str, ...]) -> str:
    """`jobs.gaussian.allowed`; what pydantic adds about alternatives and places in lists is left away."""
    depth = 3 if location[0] == "jobs" else 1
    return ".".join(str(step)[:40] for step in location[:depth])
