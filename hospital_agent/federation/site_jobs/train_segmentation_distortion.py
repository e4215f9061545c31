"""Training the activation autoencoder over all sites, proposed where it preserves their held-out images better."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hospital_agent.federation.asked import base_model, options_of, privacy_rule
from hospital_agent.federation.autoencoders import (
    ACTIVATIONS,
    WEIGHTS,
    ImageOfPatient,
    activation_autoencoder_in,
    host_in,
    images_of,
)
from hospital_agent.federation.jobs.averaging import AveragedNetwork
from hospital_agent.federation.labelled import load
from hospital_agent.federation.network_training import Trainee, TrainingOptions, case_left_out, training_at_site
from hospital_agent.federation.site_jobs import AtSite, site_jobs
from hospital_agent.settings import Settings
from shared.federation.messages import Options

if TYPE_CHECKING:
    from hospital_agent.training.local_training import LocalPlan, LocalTrainer

JOB = "train_segmentation_distortion"


class DistortionOptions(TrainingOptions):
    """As for every training; the learning rate is that of `hospital-agent fit --method segmentation_distortion`."""

    learning_rate: float = Field(default=2e-3, gt=0, le=0.1)
    longest_change: float = Field(default=50.0, gt=0, le=1000)


@site_jobs.register(JOB)
def train_segmentation_distortion(settings: Settings, options: Options) -> AtSite[Any, AveragedNetwork]:
    """Training of the activation autoencoder of the model in use, on the site's images; the network is frozen.

    What is told of held-out images is `preserved`, in (0, 1]: how much of the network's answer stays as it is.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model has no activation autoencoder.
        ModelMismatch, TileMismatch: it is damaged, or made for other tiles than those of this model.
        NotApplicable: the features of this kind of model can be listened to and not changed.
    """
    asked = options_of(DistortionOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    autoencoder = activation_autoencoder_in(folder)
    loaded = load(folder, settings)
    host = host_in(loaded)

    def trainer(
        learnt: Sequence[ImageOfPatient], held_out: Sequence[ImageOfPatient], plan: "LocalPlan", seed: int
    ) -> "LocalTrainer":
        from hospital_agent.fitted_autoencoder import inner_of
        from hospital_agent.training.local_autoencoders import distortion_trainer

        images, others = ([one.image for one in part] for part in (learnt, held_out))
        patients = len({one.patient for one in learnt})
        return distortion_trainer(inner_of(host), autoencoder, images, others, plan, seed, patients)

    def written() -> bytes:
        from safetensors.torch import save

        return save({key: value.detach().cpu().contiguous() for key, value in autoencoder.state_dict().items()})

    trainee = Trainee(
        JOB,
        digest,
        autoencoder,
        cases=lambda: images_of(settings, loaded, case_left_out),
        content=ImageOfPatient.content,
        trainer=trainer,
        file=WEIGHTS[ACTIVATIONS],
        written=written,
        judged="preserved",
    )
    return training_at_site(settings, asked, policy, trainee)
