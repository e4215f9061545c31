"""Training the segmenter over all sites, proposed where the held-out cases of all sites together are better."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from hospital_agent.federation.asked import JobOptions, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.averaging import AveragedNetwork, AveragingJob, Noise
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.labelled import bundled, labelled_cases, load, own_seed, trainer_of, weights_file
from hospital_agent.federation.proposals import NETWORK, keep_proposal
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options
from shared.logs import logger

SHORT = 16  # digits of a hash in the name of a quantity
log = logger("federation")


class SegmenterOptions(JobOptions):
    """What the centre may choose, within bounds that keep a site's machine its own.

    Args:
        rounds, steps: averages, and optimiser steps at a site between two of them.
        learning_rate: in the first round.
        proximal: mu of FedProx; 0 is FedAvg.
        local_norms: FedBN.
        longest_change: Euclidean length beyond which a site's change of the weights is shortened.
        noise: multiplier of the Gaussian noise that each site adds; 0 for none.
    """

    rounds: int = Field(default=10, ge=1, le=100)
    steps: int = Field(default=50, ge=1, le=2000)
    learning_rate: float = Field(default=1e-3, gt=0, le=0.1)
    proximal: float = Field(default=0.0, ge=0, le=10)
    local_norms: bool = False
    longest_change: float = Field(default=20.0, gt=0, le=1000)
    noise: float = Field(default=0.0, ge=0, le=1000)


@site_jobs.register("train_segmenter")
def train_segmenter(settings: Settings, options: Options) -> AtSite[Any, AveragedNetwork]:
    """Training of the model in use, on the site's images with reference masks.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NotApplicable: the model comes from elsewhere, and is trained where it was made.
    """
    from hospital_agent.training.local_training import LocalPlan, SharedWeights

    asked = options_of(SegmenterOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    loaded = load(folder, settings)
    own = bundled(loaded)
    plan = LocalPlan(
        asked.rounds, asked.steps, asked.learning_rate, proximal=asked.proximal, local_norms=asked.local_norms
    )
    shared = SharedWeights(own.network, local_norms=plan.local_norms)
    job = AveragingJob(
        shared.read(), rounds=asked.rounds, longest_change=asked.longest_change,
        noise=Noise(asked.noise) if asked.noise else None, fewest_patients=max(FEWEST_PATIENTS, policy.k),
    )  # fmt: skip

    def data() -> Any:
        labelled = labelled_cases(settings, loaded, own.classes, lambda said: log.info("federated_case", said=said))
        return trainer_of(own, labelled, plan, own_seed(settings.site))

    def conclude(result: AveragedNetwork, ended: Ended) -> Mapping[str, Option]:
        told = _told(result)
        if result.is_better:
            shared.write(result.weights)
            keep_proposal(settings, "train_segmenter", digest, ended, told, {NETWORK: weights_file(own)})
        return told

    return AtSite(job, f"train_segmenter/{digest[:SHORT]}", data, conclude)


def _told(result: AveragedNetwork) -> dict[str, Option]:
    told: dict[str, Option] = {
        "sites": result.cohort.sites,
        "cases": result.cohort.rows,
        "patients": result.cohort.patients,
        "dice_before": round(result.dice[0], 4),
        "dice_after": round(result.dice[-1], 4),
        "proposed": result.is_better,
    }
    if result.epsilon is not None:
        told["epsilon"] = round(result.epsilon, 2)
    return told
