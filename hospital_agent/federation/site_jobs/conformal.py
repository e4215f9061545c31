"""A threshold of failure over the good masks of all sites."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from hospital_agent.analysis.quality.quantities import FAILURE_PROBABILITY
from hospital_agent.federation.asked import JobOptions, NoData, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.conformal import ConformalJob, FederatedThreshold, LocalNonconformity
from hospital_agent.federation.judged import PROBABILITY, cases_with_dice, good_masks, measured_flag
from hospital_agent.federation.proposals import QUALITY, keep_proposal, quality_file
from hospital_agent.federation.results import keep_result
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.federation.steady import steady
from hospital_agent.model_folder import load_model
from hospital_agent.reporting.privacy import Policy
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options
from shared.report import FlagQuality

SHORT = 16  # digits of a hash in the name of a quantity


class ConformalOptions(JobOptions):
    """What the centre may choose.

    Args:
        level: share of good masks that must not be flagged.
    """

    level: float = Field(default=0.9, ge=0.5, le=0.999)


@site_jobs.register("conformal")
def conformal(settings: Settings, options: Options) -> AtSite[LocalNonconformity, FederatedThreshold]:
    """Above which probability of failure a mask is flagged, so that a good one of the mixture of sites is not.

    One number a patient: the largest probability of failure among the patient's good masks. A site with fewer patients
    than its k gives zeros.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model has no quality model.
    """
    asked = options_of(ConformalOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    if load_model(folder, with_network=False).quality is None:
        raise NoData("The model at this site has no quality model.")

    def conclude(result: FederatedThreshold, ended: Ended) -> Mapping[str, Option]:
        _keep(settings, folder, digest, result, ended, policy)
        told: dict[str, Option] = {
            "level": result.level,
            "sites": result.cohort.sites,
            "patients": result.cohort.patients,
            "sites_suppressed": result.sites_suppressed,
        }
        return told if result.threshold is None else {**told, "threshold": result.threshold}

    quantity = f"conformal/{digest[:SHORT]}/failure_probability"
    job = ConformalJob(FAILURE_PROBABILITY.cuts, asked.level)
    return AtSite(job, quantity, lambda: _given(settings, folder, policy, quantity), conclude)


def _given(settings: Settings, folder: Path, policy: Policy, quantity: str) -> LocalNonconformity:
    own = _scores(settings, folder, policy)
    both = list(zip(own.patients, own.scores, strict=True))
    kept = steady(settings, quantity, [(patient, str(score).encode()) for patient, score in both], policy.k)
    given = [one for one, may in zip(both, kept, strict=True) if may]
    return LocalNonconformity([score for _, score in given], [patient for patient, _ in given], policy)


def _scores(settings: Settings, folder: Path, policy: Policy) -> LocalNonconformity:
    largest: dict[str, float] = {}
    for mask in good_masks(settings, folder):
        largest[mask.patient] = max(mask.probability, largest.get(mask.patient, 0.0))
    if not largest:
        raise NoData("This site has no mask that is known to be good.")
    return LocalNonconformity(list(largest.values()), list(largest), policy)


def _keep(
    settings: Settings, folder: Path, digest: str, result: FederatedThreshold, ended: Ended, policy: Policy
) -> None:
    """Propose the threshold where this site can measure what it does; else keep what was found, for people."""
    here = result.coverage_at(_scores(settings, folder, policy))
    told: dict[str, Any] = {
        "threshold": result.threshold,
        "level": result.level,
        "patients": result.cohort.patients,
        "good_masks_below_here": None if here is None else [here.estimate, here.low, here.high],
    }
    flag = None if result.threshold is None else _flag(settings, folder, result.threshold)
    quality = load_model(folder, with_network=False).quality
    if flag is None or quality is None or result.threshold is None:
        keep_result(settings, "conformal", ended, told)
        return
    kind, model = with_threshold(quality, result.threshold, flag)
    keep_proposal(settings, "conformal", digest, ended, told, {QUALITY: quality_file(kind, model)})


def _flag(settings: Settings, folder: Path, threshold: float) -> FlagQuality | None:
    try:
        cases = [case for case in cases_with_dice(settings, folder) if case.values.get(PROBABILITY) is not None]
    except NoData:
        return None
    flagged = [(case.values[PROBABILITY] or 0.0) > threshold for case in cases]
    patients = len({case.patient for case in cases})
    return measured_flag(cases, flagged, f"{len(cases)} own cases of {patients} patients")


def with_threshold(quality: Any, threshold: float, flag: FlagQuality) -> tuple[str, dict[str, Any]]:
    """Kind and JSON of a quality model with another threshold; of several views the first, which uses the network.

    Args:
        flag: what the flag is worth with it.
    """
    told: dict[str, Any] = quality.to_json()
    part = told["views"][0] if "views" in told else told
    part["threshold"], part["flag_quality"] = threshold, flag.model_dump(mode="json")
    return str(told["kind"]), told
