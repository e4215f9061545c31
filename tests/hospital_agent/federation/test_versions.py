"""From a proposal to what is in use, and back: made beside the base, compared, accepted by a person, undone."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hospital_agent.assembly import build_worker
from hospital_agent.federation import in_use, phantoms, versions
from hospital_agent.federation.compare import Comparison, Judged
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import proposal
from hospital_agent.federation.results import keep_result
from hospital_agent.federation.site_jobs import Ended, site_jobs
from hospital_agent.ingest.series import read_series
from hospital_agent.model_folder import load_model
from hospital_agent.pipeline import analyse_case
from hospital_agent.settings import Settings
from hospital_agent.simulation.hosts import phantom_host
from hospital_agent.store import windows
from hospital_agent.store.database import Store
from hospital_agent.toolkit import build_toolkit
from shared.errors import SettingsError
from tests.agent_site import SmallCentral
from tests.federated_sites import write_site
from tests.model_folder import write_model

ONE, TWO = "11" * 16, "22" * 16


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Settings:
    """A site that has looked at its images, so that each test need not."""
    settings = write_site(tmp_path_factory.mktemp("site"), "north", model, patients=5, seed=1)
    propose(settings, ONE)
    return settings


@pytest.fixture
def site(seen: Settings, tmp_path: Path) -> Settings:
    """The same site with a data folder of its own."""
    import shutil

    shutil.copytree(seen.data_dir, tmp_path / "data")
    return seen.model_copy(update={"data_dir": tmp_path / "data"})


def propose(settings: Settings, run: str, score: str = "mahalanobis") -> None:
    there = site_jobs.load("hospital_agent.federation.site_jobs").get("gaussian")(settings, {"score": score})
    result = rehearse(there.job, [there.data()]).result
    there.conclude(result, Ended(run, ("east", settings.site, "west")))


def accepted(settings: Settings, run: str) -> None:
    versions.accept(settings, versions.prepare(settings, run))


def test_until_somebody_accepts_the_sites_own_model_is_in_use(site: Settings) -> None:
    assert model_in_use(site) == site.model_dir
    versions.prepare(site, ONE)
    assert model_in_use(site) == site.model_dir


def test_an_accepted_version_is_what_the_analysis_uses(site: Settings, model: Path) -> None:
    accepted(site, ONE)
    folder = model_in_use(site)
    assert folder is not None
    toolkit = build_toolkit(folder, device="cpu")
    _, score, scale = proposal(site, ONE).reference() or pytest.fail("no reference")
    assert site.federation_images is not None
    series = read_series(site.federation_images / "north0__0.nii.gz", "CT")
    result = analyse_case(series.volume, toolkit)
    assert result.ood["mahalanobis"] == pytest.approx(score.compute(result.segmentation), rel=1e-9)
    assert result.ood["mahalanobis_log10"] == pytest.approx(scale.log10_ratio(result.ood["mahalanobis"] or 0))
    before = analyse_case(series.volume, build_toolkit(model, device="cpu"))
    assert before.ood["mahalanobis"] != result.ood["mahalanobis"]
    assert before.features == result.features


def test_it_is_another_model_so_that_windows_and_baselines_never_mix(site: Settings, model: Path) -> None:
    accepted(site, ONE)
    folder = model_in_use(site)
    assert folder is not None
    kept, base = load_model(folder, with_network=False), load_model(model, with_network=False)
    assert kept.version == "0.0.1+fed.11111111"
    assert kept.hash == hash_of(folder) != base.hash
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["made_from"]["base"] == base.hash
    assert manifest["made_from"]["federated"][0]["run"] == ONE
    assert "+fed." not in (model / "manifest.json").read_text()  # the base stays as it is


def test_the_agent_begins_a_new_window_with_it(site: Settings) -> None:
    def window() -> windows.ModelKey:
        store = Store.open(site.data_dir)
        worker = build_worker(site, store, central=SmallCentral(lambda: None).client())  # type: ignore[arg-type, return-value]
        worker.begin()
        with store.read() as session:
            found = windows.open_window(session)
            assert found is not None
            key = windows.model_of(found)
        store.close()
        return key

    before = window()
    accepted(site, ONE)
    after = window()
    assert before.hash != after.hash
    versions.roll_back(site)
    assert window().hash == before.hash


def test_rolling_back_returns_step_by_step(site: Settings) -> None:
    propose(site, TWO)
    accepted(site, ONE)
    first = model_in_use(site)
    accepted(site, TWO)
    second = model_in_use(site)
    assert len({first, second, site.model_dir}) == 3
    assert in_use.versions(site)[-1].runs == (TWO,)  # both are the reference of one score
    versions.roll_back(site)
    assert model_in_use(site) == first
    accepted(site, TWO)
    assert model_in_use(site) == second
    for _ in range(2):
        versions.roll_back(site)
    assert model_in_use(site) == site.model_dir
    with pytest.raises(SettingsError, match="nothing to return from"):
        versions.roll_back(site)
    actions = [change.action for change in in_use.history(site)]
    assert actions == ["accept", "accept", "roll_back", "accept", "roll_back", "roll_back"]


def test_another_base_begins_without_any(site: Settings, tmp_path: Path) -> None:
    accepted(site, ONE)
    other = write_model(tmp_path / "other")
    (other / "manifest.json").write_text((other / "manifest.json").read_text().replace("small", "large"))
    elsewhere = site.model_copy(update={"model_dir": other})
    assert model_in_use(elsewhere) == other
    with pytest.raises(SettingsError, match="another model"):
        versions.prepare(elsewhere, ONE)
    assert model_in_use(site) != site.model_dir


def test_what_is_in_use_is_not_accepted_again(site: Settings) -> None:
    accepted(site, ONE)
    with pytest.raises(SettingsError, match="in use already"):
        versions.prepare(site, ONE)


@pytest.mark.parametrize("run", ["33" * 16, "1", "", "../../etc"])
def test_what_was_never_proposed_is_named(site: Settings, run: str) -> None:
    with pytest.raises(SettingsError, match="proposals begin with"):
        versions.prepare(site, run)


def test_a_lost_folder_or_a_damaged_history_is_said(site: Settings) -> None:
    import shutil

    accepted(site, ONE)
    shutil.rmtree(site.federation_dir / "versions")
    with pytest.raises(SettingsError, match="roll-back"):
        model_in_use(site)
    (site.federation_dir / in_use.FILE).write_text("{\n")
    with pytest.raises(SettingsError, match="Line 1"):
        model_in_use(site)


class TestTheComparison:
    def test_is_over_the_sites_own_cases_with_a_mask(self, site: Settings) -> None:
        comparison = versions.prepare(site, ONE).comparison
        assert comparison is not None
        assert (comparison.on, comparison.cases, comparison.patients) == (versions.OWN_CASES, 7, 5)
        assert comparison.after.share_over == 0.0  # its scale is of these very patients
        assert comparison.before.share_over is not None

    def test_without_masks_it_is_over_phantoms(self, site: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(phantoms, "COUNT", 2)
        monkeypatch.setattr(phantoms, "phantom_host", partial(phantom_host, shape=(24, 22, 26), spacing_mm=(9.0,) * 3))
        blind = site.model_copy(update={"federation_references": None})
        prepared = versions.prepare(blind, ONE)
        assert prepared.comparison is not None
        assert (prepared.comparison.on, prepared.comparison.cases) == (versions.PHANTOMS, 2)
        assert prepared.objection is not None  # two phantoms say nothing of rank

    @pytest.mark.parametrize(
        ("before", "after", "objects"),
        [
            (Judged(0.5, 0.1, 0.2, 1.0), Judged(0.45, 0.0, 0.1, 1.0), False),
            (Judged(0.5, 0.1, 0.2, 1.0), Judged(0.39, 0.0, 0.1, 1.0), True),
            (Judged(0.5, 0.1, 0.2, 1.0), Judged(0.9, 0.0, 0.1, 0.5), True),
            (Judged(None, 0.1, 0.2, 1.0), Judged(0.9, 0.0, 0.1, 1.0), True),
            (Judged(0.5, 0.1, None, None), Judged(0.6, 0.0, None, None), False),
        ],
    )
    def test_objects_to_what_does_worse(self, before: Judged, after: Judged, objects: bool) -> None:
        assert (Comparison("", 9, 9, before, after).objection is not None) is objects


class TestCommands:
    @pytest.fixture
    def environment(self, site: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
        for name in ("site", "inbox", "data_dir", "central_url", "k", "model_dir", "federation_images",
                     "federation_references", "federation_policy_file", "device"):  # fmt: skip
            monkeypatch.setenv(f"AGENT_{name.upper()}", str(getattr(site, name)))
        monkeypatch.setenv("AGENT_SITE_KEY", site.site_key.get_secret_value())
        return site

    def test_look_says_what_there_is(self, environment: Settings, run: Any) -> None:
        assert run("federation", "look").json == {"images": 7, "patients": 5, "with_dice": 7}

    def test_from_a_proposal_to_use_and_back(self, environment: Settings, run: Any) -> None:
        path = keep_result(environment, "histograms", Ended(TWO, ("east", "north", "west")), {"patients": 21})
        told = run("federation", "versions").json
        assert told["results"] == {TWO: str(path)}
        assert json.loads(path.read_text())["patients"] == 21
        assert (told["in_use"], [one["run"] for one in told["proposals"]]) == ([], [ONE])
        done = run("federation", "accept", ONE[:8], "--anyway")
        assert done.json["accepted"]
        assert done.json["comparison"]["cases"] == 7
        assert run("federation", "versions").json["in_use"] == [ONE]
        assert run("federation", "roll-back").json["in_use"] == []
        assert run("federation", "roll-back").code == 2

    def test_an_objection_must_be_overruled_by_name(
        self, environment: Settings, run: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Comparison, "objection", property(lambda self: "it is worse"))
        refused = run("federation", "accept", ONE)
        assert (refused.code, refused.json["accepted"]) == (3, False)
        assert "it is worse" in refused.err
        assert run("federation", "versions").json["in_use"] == []
        assert run("federation", "accept", ONE, "--anyway").json["accepted"]
