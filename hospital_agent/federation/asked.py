"""What the centre may ask of a job, and what a site must have before it answers: validated here, never trusted."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hospital_agent.federation.jobs.errors import JobRefused
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.model_folder import SHIPPED_MODEL
from hospital_agent.reporting.privacy import Policy
from hospital_agent.settings import Settings
from shared.federation.messages import Options


class OptionRefused(JobRefused):
    """The centre asks with an option that the job does not have, or with a value that this site would not choose."""

    reason = "option_refused"


class OtherModel(JobRefused):
    """The centre asks about another model than the one in use here."""

    reason = "other_model"


class NoData(JobRefused):
    """This site has no data for the job."""

    reason = "no_data"


class NoPrivacyRule(JobRefused):
    """The site has set no k, and then nothing leaves it."""

    reason = "no_privacy_rule"


class JobOptions(BaseModel):
    """Base of the options of a job.

    Args:
        model: SHA-256 of the model folder, or how it begins, where the centre wants to be sure of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    model: str = ""


O = TypeVar("O", bound=JobOptions)  # noqa: E741 - the options of one job


def options_of(kind: type[O], options: Options) -> O:
    """The centre's options.

    Raises:
        OptionRefused: one that the job does not have, or of another kind than it takes; names it.
    """
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        named = ", ".join(sorted({str(problem["loc"][0])[:40] for problem in problems if problem["loc"]}))
        raise OptionRefused(f"This site does not take the option {named or 'that was sent'} as it is.") from None


def base_model(settings: Settings, asked: JobOptions) -> tuple[Path, str]:
    """The model folder that jobs are about, and its hash: the site's own, before any accepted version.

    Raises:
        OtherModel: the centre asks about another one.
        ModelMismatch: there is no model folder.
    """
    folder = settings.model_dir or SHIPPED_MODEL
    digest = hash_of(folder)
    if asked.model and not (len(asked.model) >= 12 and digest.startswith(asked.model)):
        raise OtherModel("The model in use at this site is not the one that is asked about.")
    return folder, digest


def privacy_rule(settings: Settings) -> Policy:
    """The site's k.

    Raises:
        NoPrivacyRule: it has set none.
    """
    policy = settings.policy
    if policy is None:
        raise NoPrivacyRule("AGENT_K is not set at this site: nothing leaves it.")
    return policy
