"""One mean spectrum of feature maps over all sites."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hospital_agent.federation.asked import JobOptions, NoData, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.jobs.spectral import FederatedSpectrum, LocalGrams, SpectralJob
from hospital_agent.federation.looked_at import look_at_images
from hospital_agent.federation.results import keep_result
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.federation.steady import steady
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options

SHORT = 16  # digits of a hash in the name of a quantity


@site_jobs.register("spectral")
def spectral(settings: Settings, options: Options) -> AtSite[LocalGrams, FederatedSpectrum]:
    """The mean spectrum of the last feature maps over all images, kept for people: no score has it as its reference.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model shows no feature maps, or the site has no images.
    """
    asked = options_of(JobOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    quantity = f"spectral/{digest[:SHORT]}/last"
    own = _grams(settings, folder, quantity, policy.k)
    job = SpectralJob(own.grams.shape[1], fewest_patients=max(FEWEST_PATIENTS, policy.k))

    def conclude(result: FederatedSpectrum, ended: Ended) -> Mapping[str, Option]:
        cohort = result.cohort
        counts: dict[str, Option] = {"sites": cohort.sites, "cases": cohort.rows, "patients": cohort.patients}
        told = {"signature": result.signature.tolist(), "threshold": result.threshold}
        keep_result(settings, "spectral", ended, {**counts, **told})
        return {**counts, "threshold": float(f"{result.threshold:.4g}")}

    return AtSite(job, quantity, lambda: own, conclude)


def _grams(settings: Settings, folder: Path, quantity: str, k: int) -> LocalGrams:
    found = [(case.gram, case.patient) for case in look_at_images(settings, folder)]
    grams = [(gram, patient) for gram, patient in found if gram is not None]
    if not grams:
        raise NoData("The model shows no feature maps of the images of this site.")
    kept = steady(settings, quantity, [(patient, gram.tobytes()) for gram, patient in grams], k)
    given = [one for one, may in zip(grams, kept, strict=True) if may]
    return LocalGrams(np.array([gram for gram, _ in given]), [patient for _, patient in given])
