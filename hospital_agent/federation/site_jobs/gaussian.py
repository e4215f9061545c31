"""The model reference over the images of all sites: what each site gives, and what it makes of the totals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from hospital_agent.analysis.ood.gaussian import CompactGaussian, DenseGaussian, Gaussian
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.federation.asked import JobOptions, NoData, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.jobs.gaussian import FederatedGaussian, GaussianJob
from hospital_agent.federation.jobs.rows import LocalRows, Units
from hospital_agent.federation.looked_at import OF_ONE_GAUSSIAN, look_at_images
from hospital_agent.federation.own_scale import left_out_values, range_of
from hospital_agent.federation.proposals import REFERENCE, keep_proposal, reference_file
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options

SHORT = 16  # digits of a hash in the name of a quantity


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
    score = load_model(folder, with_network=False).ood.get(asked.score)
    if score is None:
        raise NoData("The model at this site has no reference for this score.")
    units = units_of(score.gaussian if asked.score == "mahalanobis" else score.reference.gaussian)  # type: ignore[attr-defined]
    job = GaussianJob(
        units.centre.size,
        centre=units.centre,
        unit=units.unit,
        fewest_patients=max(FEWEST_PATIENTS, policy.k),
        check_weight=asked.check_weight,
    )

    def data() -> LocalRows:
        cases = [case for case in look_at_images(settings, folder) if asked.score in case.rows]
        if not cases:
            raise NoData("The model shows nothing of this score in the images of this site.")
        tables = [case.rows[asked.score].rows for case in cases]
        patients = [case.patient for case, table in zip(cases, tables, strict=True) for _ in range(len(table))]
        return LocalRows(np.concatenate(tables), patients)

    def conclude(result: FederatedGaussian, ended: Ended) -> Mapping[str, Option]:
        _propose(settings, folder, digest, asked.score, result, ended)
        return {
            "sites": result.cohort.sites,
            "rows": result.cohort.rows,
            "patients": result.cohort.patients,
            "weight": float(f"{result.weight.weight:.4g}"),
        }

    return AtSite(job, f"gaussian/{digest[:SHORT]}/{asked.score}", data, conclude)


def _propose(
    settings: Settings, folder: Path, digest: str, score: str, result: FederatedGaussian, ended: Ended
) -> None:
    """Write the fitted score with its scale at this site; nothing is put to use."""
    fitted = OF_ONE_GAUSSIAN[score].from_state(result.reference().state())
    cases = look_at_images(settings, folder)
    inside = settings.site in ended.contributors
    gaussian = result.reference().gaussian
    values = left_out_values(cases, score, result.moments, result.weight.weight, gaussian, inside=inside)
    scale = range_of(cases, values)
    if scale is None:
        raise NoData("This site has no patient from whom the reference could get its scale.")
    told = {
        "score": score,
        "rows": result.cohort.rows,
        "patients": result.cohort.patients,
        "weight": result.weight.weight,
        "range": [scale.low, scale.median, scale.high],
        "range_from": f"{len({case.patient for case in cases})} patients of this site, each left out of the reference",
    }
    keep_proposal(settings, "gaussian", digest, ended, told, {REFERENCE: reference_file(fitted)})


def units_of(gaussian: Gaussian) -> Units:
    """Mean and standard deviation of each feature under a fitted Gaussian."""
    return Units.given(gaussian.dimension, gaussian.mean, np.sqrt(_variances(gaussian)))  # type: ignore[attr-defined]


def _variances(gaussian: Gaussian) -> Float64Array:
    if isinstance(gaussian, CompactGaussian):
        along: Float64Array = np.square(gaussian.axes).T @ (gaussian.variances - gaussian.floor)
        return along + gaussian.floor
    assert isinstance(gaussian, DenseGaussian)  # noqa: S101 - there are two forms
    squares: Float64Array = np.square(gaussian.cholesky).sum(axis=1)
    return squares
