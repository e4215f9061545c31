"""What `fit --method` trained at one place for a model from elsewhere, trained on at a site and accepted there."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from hospital_agent.allow_list import AllowList
from hospital_agent.federation.autoencoders import ACTIVATIONS, MASKS, WEIGHTS
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.refitted_autoencoder import AutoencoderComparison
from hospital_agent.federation.site_jobs import Ended, site_jobs
from hospital_agent.federation.versions import prepare
from hospital_agent.fitted_folder import fit_folder
from hospital_agent.foreign_models import describe
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from hospital_agent.training.autoencoder import AutoencoderTraining
from hospital_agent.training.mask_autoencoder import MaskTraining
from tests.agent_site import site_settings
from tests.fitted_model import write_cases
from tests.monai_model import write_bundle
from tests.torchscript_model import write_torchscript

RUN = "7f" * 16
JOBS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "train_mask_autoencoder": (MASKS, "mask_autoencoder_pdc", {"mask_autoencoder": MaskTraining(steps=2)}),
    "train_segmentation_distortion": (
        ACTIVATIONS, "segmentation_distortion", {"autoencoder": AutoencoderTraining(steps=2)},
    ),
}  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A site with a model folder as `fit` writes it, and the images that it was fitted on."""
    torch.set_num_threads(1)
    _, _, training = JOBS[request.param]
    masks = request.param == "train_mask_autoencoder"
    model = write_torchscript(tmp_path / "foreign") if masks else write_bundle(tmp_path / "foreign")
    cases, digest = write_cases(tmp_path / "cases", 6), str(describe(model)["sha256"])
    fit_folder(
        [model], cases / "images", cases / "references", tmp_path / "model", allowed=AllowList.of([digest]),
        device="cpu", orientation=None, mirroring=False, copy=True, name=None, say=lambda _: None, **training,
    )  # fmt: skip
    shutil.rmtree(tmp_path / "foreign")
    (tmp_path / "inbox").mkdir()
    given = {
        "site": "north", "model_dir": tmp_path / "model", "device": "cpu", "allowed_models": digest,
        "federation_images": cases / "images", "federation_references": cases / "references",
    }  # fmt: skip
    return site_settings(tmp_path / "inbox", tmp_path / "data", **given)


@pytest.mark.parametrize(("site", "job"), [(job, job) for job in JOBS], indirect=["site"])
def test_a_model_that_fit_made_is_trained_on_and_its_scores_are_fitted_anew(site: Settings, job: str) -> None:
    kind, score, _ = JOBS[job]
    there = site_jobs.load("hospital_agent.federation.site_jobs").get(job)(site, {"rounds": 1, "steps": 2})
    found = rehearse(there.job, [there.data()]).result
    better: Any = type(found)(found.weights, found.cohort, (0.1, 0.2), None)
    there.conclude(better, Ended(RUN, ("east", "north", "west")))
    prepared = prepare(site, RUN)
    assert isinstance(prepared.comparison, AutoencoderComparison)
    assert (prepared.comparison.kind, prepared.comparison.cases) == (kind, 1)
    assert site.model_dir is not None
    made = site.federation_dir / "versions" / prepared.change.folder
    before, after = (load_model(folder, device="cpu", allowed=site.allow_list) for folder in (site.model_dir, made))
    assert (made / WEIGHTS[kind]).read_bytes() != (site.model_dir / WEIGHTS[kind]).read_bytes()
    assert score in before.ood
    assert score in after.ood
    if kind == ACTIVATIONS:  # a mask autoencoder of two steps gives nothing back, before and after
        assert after.validation[score] != before.validation[score]
    assert after.validation["max_softmax"] == before.validation["max_softmax"]
    assert after.version == f"{before.version}+fed.{RUN[:8]}"
