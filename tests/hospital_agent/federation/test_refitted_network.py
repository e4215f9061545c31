"""A network that sites trained together: fitted anew to this site's images, compared on held-out ones, put to use."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hospital_agent.assembly import site_pseudonyms
from hospital_agent.federation.in_use import model_in_use, versions
from hospital_agent.federation.labelled import bundled, load, weights_file
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import NETWORK, OWN_PATIENTS, keep_proposal, patients_file
from hospital_agent.federation.refitted_network import HELD_OUT, NetworkComparison
from hospital_agent.federation.site_jobs import Ended
from hospital_agent.federation.versions import accept, prepare, roll_back
from hospital_agent.ingest.series import read_series
from hospital_agent.model_folder import load_model
from hospital_agent.pipeline import analyse_case
from hospital_agent.settings import Settings
from hospital_agent.toolkit import build_toolkit
from shared.errors import SettingsError
from tests.federated_sites import write_site
from tests.model_folder import write_model

RUN, GAUSSIAN = "5a" * 16, "6b" * 16


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A site with the proposal of a changed network, which it has made ready."""
    torch.set_num_threads(1)
    model = write_model(tmp_path_factory.mktemp("model"))
    settings = write_site(tmp_path_factory.mktemp("site"), "north", model, patients=5, seed=1)
    segmenter = bundled(load(model, settings))
    with torch.no_grad():
        for weights in segmenter.network.parameters():
            weights.mul_(1.5)
    ended = Ended(RUN, ("east", "north", "west"))
    pseudonyms = site_pseudonyms(settings.data_dir)
    files = {
        NETWORK: weights_file(segmenter),
        OWN_PATIENTS: patients_file(pseudonyms.of("patient", f"north{i}") for i in range(4)),
    }
    keep_proposal(settings, "train_segmenter", hash_of(model), ended, {}, files)
    return settings


def test_it_is_fitted_anew_compared_and_put_to_use(site: Settings) -> None:
    base = site.model_dir
    assert base is not None
    said: list[str] = []
    prepared = prepare(site, RUN, say=said.append)
    assert isinstance(prepared.comparison, NetworkComparison)
    images = len(list((site.federation_images or Path()).glob("north4__*")))
    assert (prepared.comparison.on, prepared.comparison.cases) == (HELD_OUT, images)
    assert 0 <= prepared.comparison.dice_before <= 1
    assert model_in_use(site) == base
    accept(site, prepared)
    folder = model_in_use(site)
    assert folder is not None
    before, after = (load_model(one, with_network=False) for one in (base, folder))
    assert set(after.ood) <= set(before.ood)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["version"] == "0.0.1+fed.5a5a5a5a"
    assert (folder / NETWORK).read_bytes() != (base / NETWORK).read_bytes()
    assert ("quality.json" in manifest["files"]) is (after.quality is not None)
    assert site.federation_images is not None
    volume = read_series(site.federation_images / "north0__0.nii.gz", "CT").volume
    old, new = (analyse_case(volume, build_toolkit(one, device="cpu")) for one in (base, folder))
    assert old.segmentation.probability is not None
    assert new.segmentation.probability is not None
    assert not np.array_equal(old.segmentation.probability, new.segmentation.probability)
    assert new.ood["mahalanobis"] == after.ood["mahalanobis"].compute(new.segmentation)
    assert after.validation["mahalanobis"] != before.validation["mahalanobis"]
    stale = before.ood["mahalanobis"].compute(new.segmentation)
    assert (new.ood["mahalanobis"] or 0) < (stale or 0)  # the reference knows what this network shows

    ended = Ended(GAUSSIAN, ("east", "north", "west"))
    keep_proposal(site, "gaussian", hash_of(base), ended, {"score": "mahalanobis"}, {})
    with pytest.raises(SettingsError, match="roll back first"):
        prepare(site, GAUSSIAN)
    roll_back(site)
    assert versions(site) == []
    assert model_in_use(site) == base


def test_a_network_that_is_worse_here_is_objected_to() -> None:
    assert NetworkComparison("", 3, 0.7, 0.69).objection is not None
    assert NetworkComparison("", 3, 0.7, 0.7).objection is None


def test_the_base_stays_as_it_is(site: Settings) -> None:
    base = site.model_dir
    assert base is not None
    assert load_model(base).version == "0.0.1"  # checks the hash of every part: none was written through a link


def test_a_changed_file_is_not_put_to_use(site: Settings, tmp_path: Path) -> None:
    shutil.copytree(site.data_dir, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "federation" / "versions", ignore_errors=True)
    other = site.model_copy(update={"data_dir": tmp_path / "data"})
    file = other.federation_dir / "proposals" / RUN / NETWORK
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(SettingsError, match="card"):
        prepare(other, RUN)
