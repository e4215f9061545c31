"""Training the segmenter over all sites, proposed where the held-out cases of all sites together are better."""

from typing import Any

from hospital_agent.federation.asked import base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.averaging import AveragedNetwork
from hospital_agent.federation.labelled import bundled, labelled_cases, load, seen_of, trainer_of, weights_file
from hospital_agent.federation.network_training import Trainee, TrainingOptions, case_left_out, training_at_site
from hospital_agent.federation.proposals import NETWORK
from hospital_agent.federation.site_jobs import AtSite, site_jobs
from hospital_agent.settings import Settings
from shared.federation.messages import Options

JOB = "train_segmenter"


@site_jobs.register(JOB)
def train_segmenter(settings: Settings, options: Options) -> AtSite[Any, AveragedNetwork]:
    """Training of the model in use, on the site's images with reference masks.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NotApplicable: the model comes from elsewhere, and is trained where it was made.
    """
    asked = options_of(TrainingOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    loaded = load(folder, settings)
    own = bundled(loaded)
    trainee = Trainee(
        JOB,
        digest,
        own.network,
        cases=lambda: labelled_cases(settings, loaded, own.classes - 1, case_left_out),
        content=seen_of,
        trainer=lambda learnt, held_out, plan, seed: trainer_of(own, learnt, held_out, plan, seed),
        file=NETWORK,
        written=lambda: weights_file(own),
    )
    return training_at_site(settings, asked, policy, trainee)
