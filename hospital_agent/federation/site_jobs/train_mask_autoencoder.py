"""Training the mask autoencoder over all sites, proposed where it gives back their held-out masks better."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hospital_agent.federation.asked import base_model, options_of, privacy_rule
from hospital_agent.federation.autoencoders import MASKS, WEIGHTS, mask_autoencoder_in, masks_of
from hospital_agent.federation.jobs.averaging import AveragedNetwork
from hospital_agent.federation.labelled import labelled_cases, mask_of
from hospital_agent.federation.network_training import Trainee, TrainingOptions, case_left_out, training_at_site
from hospital_agent.federation.site_jobs import AtSite, site_jobs
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from shared.federation.messages import Options

if TYPE_CHECKING:
    from hospital_agent.training.local_training import LocalPlan, LocalTrainer
    from hospital_agent.training.refinement_cases import RefinementCase

JOB = "train_mask_autoencoder"


class MaskAutoencoderOptions(TrainingOptions):
    """As for every training; the learning rate is that of `hospital-agent fit --method mask_autoencoder`."""

    learning_rate: float = Field(default=3e-3, gt=0, le=0.1)
    longest_change: float = Field(default=50.0, gt=0, le=1000)


@site_jobs.register(JOB)
def train_mask_autoencoder(settings: Settings, options: Options) -> AtSite[Any, AveragedNetwork]:
    """Training of the mask autoencoder of the model in use, on the site's reference masks alone, as `fit` does it.

    Masks that no person made teach nothing: a model's own, accepted or not, would teach what it does already.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model has no mask autoencoder.
        ModelMismatch: it is damaged.
    """
    asked = options_of(MaskAutoencoderOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    loaded, autoencoder = load_model(folder, with_network=False), mask_autoencoder_in(folder)

    def trainer(
        learnt: "Sequence[RefinementCase]", held_out: "Sequence[RefinementCase]", plan: "LocalPlan", seed: int
    ) -> "LocalTrainer":
        from hospital_agent.training.local_autoencoders import mask_trainer

        return mask_trainer(autoencoder.network, masks_of(learnt), masks_of(held_out), plan, seed)

    def written() -> bytes:
        from safetensors.numpy import save

        return save(autoencoder.weights())

    trainee = Trainee(
        JOB,
        digest,
        autoencoder.network,
        cases=lambda: labelled_cases(settings, loaded, autoencoder.shape.label_count, case_left_out),
        content=mask_of,
        trainer=trainer,
        file=WEIGHTS[MASKS],
        written=written,
        weight_decay=1e-5,  # as in `fit`
    )
    return training_at_site(settings, asked, policy, trainee)
