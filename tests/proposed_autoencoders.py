"""A site at which both autoencoders are proposed, trained for a moment; what comes of them is for tests to see."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.analysis.segmentation.autoencoder import fresh_autoencoder
from hospital_agent.assembly import site_pseudonyms
from hospital_agent.federation.autoencoders import ACTIVATIONS, MASKS, WEIGHTS
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import OWN_PATIENTS, keep_proposal, patients_file
from hospital_agent.federation.site_jobs import Ended
from hospital_agent.federation.versions import accept, prepare
from hospital_agent.fitting_inputs import find_inputs
from hospital_agent.ingest.series import read_series
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from hospital_agent.training.local_autoencoders import distortion_trainer, mask_trainer
from hospital_agent.training.local_training import LocalPlan
from hospital_agent.training.mask_autoencoder import ReferenceMask
from tests.autoencoded_model import BOTTLENECK, ball, fresh_mask_autoencoder, write_ball_site

MASK_RUN, ACTIVATION_RUN = "1a" * 16, "2b" * 16
PATIENTS, TEACHERS = 6, 4
ALL = ("east", "north", "west")


def write_proposed_site(folder: Path, model: Path) -> Settings:
    """A site whose patients 0 to 3 have taught both autoencoders."""
    settings = write_ball_site(folder, "north", model, PATIENTS, seed=1)
    propose(settings, MASK_RUN, "train_mask_autoencoder", {WEIGHTS[MASKS]: mask_weights()})
    weights = activation_weights(model)
    propose(settings, ACTIVATION_RUN, "train_segmentation_distortion", {WEIGHTS[ACTIVATIONS]: weights})
    return settings


def propose(settings: Settings, run: str, job: str, files: dict[str, bytes], **card: Any) -> None:
    """As if a run over three sites had come to it."""
    assert settings.model_dir is not None
    pseudonyms = site_pseudonyms(settings.data_dir)
    taught = patients_file(pseudonyms.of("patient", f"north{number}") for number in range(TEACHERS))
    keep_proposal(settings, job, hash_of(settings.model_dir), Ended(run, ALL), card, {**files, OWN_PATIENTS: taught})


@cache
def mask_weights() -> bytes:
    """Of an autoencoder that has seen some balls."""
    from safetensors.numpy import save

    autoencoder, plan = fresh_mask_autoencoder(), LocalPlan(rounds=1, steps=30, learning_rate=1e-2)
    masks = [ReferenceMask(ball(seed), (2.0, 2.0, 2.0), f"p{seed}") for seed in range(500, 512)]
    trainer = mask_trainer(autoencoder.network, masks, [], plan, 0)
    trainer.trained(trainer.shared.read(), 1)
    return save(autoencoder.weights())


@cache
def activation_weights(model: Path) -> bytes:
    """Of an autoencoder that has seen some noise."""
    from safetensors.torch import save

    segmenter: Any = load_model(model, device="cpu").segmenter
    images = [np.random.default_rng(seed).normal(size=(16, 16, 16)).astype(np.float32) for seed in range(3)]
    autoencoder, plan = fresh_autoencoder(BOTTLENECK, 0), LocalPlan(rounds=1, steps=10, learning_rate=5e-3)
    trainer = distortion_trainer(segmenter.inner, autoencoder, images, [], plan, 0, patients=3)
    trainer.trained(trainer.shared.read(), 1)
    return save(autoencoder.state_dict())


def accepted(settings: Settings, run: str) -> Path:
    """The folder that is in use once a proposal was accepted."""
    accept(settings, prepare(settings, run))
    folder = model_in_use(settings)
    assert folder is not None
    return folder


def volumes_of(settings: Settings) -> list[Any]:
    """The images of a site."""
    assert settings.federation_images is not None
    return [read_series(one.path).volume for one in find_inputs(settings.federation_images, None)]
