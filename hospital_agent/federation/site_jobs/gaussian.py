"""The model reference over the images of all sites: what each site gives, and what it makes of the totals."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from hospital_agent.federation.asked import JobOptions, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.jobs.gaussian import FederatedGaussian, GaussianJob
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.looked_at import look_at_images
from hospital_agent.federation.model_reference import propose, quantity_of, reference_in, rows_at, units_of
from hospital_agent.federation.own_scale import left_out_values
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.federation.steady import given_patients
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options


class GaussianOptions(JobOptions):
    """What the centre may choose.

    Args:
        score: whose reference is fitted.
        check_weight: whether the shrinkage weight is checked on left-out patients, in a third round.
    """

    score: Literal["mahalanobis", "pooled_mahalanobis", "latent_mahalanobis"] = "mahalanobis"
    check_weight: bool = Field(default=True)


@site_jobs.register("gaussian")
def gaussian(settings: Settings, options: Options) -> AtSite[LocalRows, FederatedGaussian]:
    """The Gaussian of a feature-space score, over the rows that the model shows of the site's images.

    Expected units are those of the reference in the model folder, so that all sites with this model have the same.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model has no such score.
    """
    asked = options_of(GaussianOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    quantity = quantity_of(digest, asked.score)
    units = units_of(reference_in(folder, asked.score).gaussian)
    job = GaussianJob(
        units.centre.size,
        centre=units.centre,
        unit=units.unit,
        fewest_patients=max(FEWEST_PATIENTS, policy.k),
        check_weight=asked.check_weight,
    )

    def conclude(result: FederatedGaussian, ended: Ended) -> Mapping[str, Option]:
        cases, reference = look_at_images(settings, folder), result.reference()
        own = given_patients(settings, quantity) if settings.site in ended.contributors else frozenset[str]()
        weight = result.weight.weight
        values = left_out_values(cases, asked.score, result.moments, weight, reference.gaussian, own)
        propose(settings, "gaussian", digest, ended, asked.score, reference, cases, values, own, {})
        return {
            "sites": result.cohort.sites,
            "rows": result.cohort.rows,
            "patients": result.cohort.patients,
            "weight": float(f"{weight:.4g}"),
        }

    return AtSite(job, quantity, lambda: rows_at(settings, folder, asked.score, quantity, policy.k), conclude)
