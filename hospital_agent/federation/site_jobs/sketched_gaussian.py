"""The model reference over all sites from a sketch, where the whole covariance is too much to send."""

from collections.abc import Mapping

from pydantic import Field

from hospital_agent.federation.asked import OptionRefused, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.jobs.rows import LocalRows
from hospital_agent.federation.jobs.sketched_gaussian import SketchedGaussian, SketchedGaussianJob
from hospital_agent.federation.looked_at import look_at_images
from hospital_agent.federation.model_reference import propose, quantity_of, reference_in, rows_at, units_of
from hospital_agent.federation.own_scale import whole_values
from hospital_agent.federation.results import keep_result
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.federation.site_jobs.gaussian import GaussianOptions
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options

LARGEST_ERROR = 0.05  # of a distance, for certain; beyond it nothing is proposed


class SketchOptions(GaussianOptions):
    """What the centre may choose.

    Args:
        rank: directions that are told apart.
        seed: from which the first directions are drawn.
        check_weight: has no meaning here; the weight is that of the reference in the model folder.
    """

    rank: int = Field(default=128, ge=1, le=4096)
    seed: int = Field(default=0, ge=0, le=2**31)
    check_weight: bool = False


@site_jobs.register("sketched_gaussian")
def sketched_gaussian(settings: Settings, options: Options) -> AtSite[LocalRows, SketchedGaussian]:
    """As `gaussian`, from D rank numbers a site instead of D (D + 1) / 2.

    The shrinkage weight is the one of the model folder. Proposed where the totals themselves say that no distance is
    more than 5 % off; else the figures are kept for people. Patients of the site are not left out of the scale: a
    sketch does not say what they were.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model has no such score.
    """
    asked = options_of(SketchOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    shipped = reference_in(folder, asked.score)
    units = units_of(shipped.gaussian)
    if asked.rank > units.centre.size:
        raise OptionRefused("This site does not take the option rank as it is: the score has fewer features.")
    job = SketchedGaussianJob(
        units.centre.size,
        asked.rank,
        seed=asked.seed,
        weight=shipped.weight.weight or None,
        centre=units.centre,
        unit=units.unit,
        fewest_patients=max(FEWEST_PATIENTS, policy.k),
    )

    def conclude(result: SketchedGaussian, ended: Ended) -> Mapping[str, Option]:
        told: dict[str, Option] = {
            "sites": result.cohort.sites,
            "rows": result.cohort.rows,
            "patients": result.cohort.patients,
            "unexplained": float(f"{result.unexplained:.4g}"),
            "largest_error": float(f"{result.largest_error:.4g}"),
        }
        if result.largest_error > LARGEST_ERROR:
            keep_result(settings, "sketched_gaussian", ended, told)
            return told
        cases, reference = look_at_images(settings, folder), result.reference()
        values = whole_values(cases, asked.score, reference.gaussian)
        more = {"largest_error": result.largest_error}
        propose(settings, "sketched_gaussian", digest, ended, asked.score, reference, cases, values, (), more)
        return told

    quantity = quantity_of(digest, asked.score)
    return AtSite(job, quantity, lambda: rows_at(settings, folder, asked.score, quantity, policy.k), conclude)
