"""The reference of all sites at one of them: its rows, the centre's options, and what is proposed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.ood.gaussian import fit_gaussian
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.federation.asked import NoData, NoPrivacyRule, OptionRefused, OtherModel
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.looked_at import look_at_images
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.model_reference import units_of
from hospital_agent.federation.own_scale import left_out_values, range_of
from hospital_agent.federation.proposals import proposals
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from shared.errors import SettingsError
from tests.federated_sites import write_site
from tests.model_folder import write_model
from tests.series_files import chest_values, write_nifti

RUN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Settings:
    return write_site(tmp_path_factory.mktemp("north"), "north", model, patients=6, seed=1)


def at(settings: Settings, **options: Any) -> AtSite[Any, Any]:
    return site_jobs.load("hospital_agent.federation.site_jobs").get("gaussian")(settings, options)


def test_its_rows_are_those_that_a_local_reference_is_fitted_to(settings: Settings, model: Path) -> None:
    data = at(settings).data()
    cases = look_at_images(settings, model)
    table = np.concatenate([case.rows["mahalanobis"].rows for case in cases])
    np.testing.assert_array_equal(data.rows, table)
    assert len(set(data.patients)) == 6


def test_units_are_those_of_the_model_folder(settings: Settings, model: Path) -> None:
    """The same at every site with this model, whatever its images are."""
    score: Any = load_model(model, with_network=False).ood["mahalanobis"]
    units = at(settings).job.units
    np.testing.assert_array_equal(units.centre, score.gaussian.mean)
    np.testing.assert_array_equal(units.unit, units_of(score.gaussian).unit)
    assert units.centre.size == 512


def test_a_unit_is_a_standard_deviation_in_both_forms_of_a_gaussian() -> None:
    rng = np.random.default_rng(0)
    many, few = rng.normal(size=(50, 4)) * [1, 2, 3, 40], rng.normal(size=(3, 9))
    dense = units_of(fit_gaussian(GaussianMoments.of(many), 0.0))
    np.testing.assert_allclose(dense.unit, many.std(axis=0), rtol=1e-9)
    compact = units_of(fit_gaussian(GaussianMoments.of(few), 0.2))
    variance = few.var(axis=0)
    np.testing.assert_allclose(np.square(compact.unit), 0.8 * variance + 0.2 * variance.mean(), rtol=1e-9)
    np.testing.assert_allclose(compact.centre, few.mean(axis=0))


def test_the_quantity_names_model_and_score_and_never_the_run(settings: Settings, model: Path) -> None:
    assert at(settings).quantity == f"rows/{hash_of(model)[:16]}/mahalanobis"
    assert at(settings, check_weight=False).quantity == at(settings).quantity


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"score": "knn"}, OptionRefused, "score"),
        ({"score": 3}, OptionRefused, "score"),
        ({"check_weight": "yes"}, OptionRefused, "check_weight"),
        ({"images": "/etc"}, OptionRefused, "images"),
        ({"model": "f" * 64}, OtherModel, "model"),
        ({"model": ""}, None, ""),
        ({"model": "0"}, OtherModel, "model"),
        ({"score": "latent_mahalanobis"}, NoData, "no reference"),
    ],
)
def test_what_the_centre_asks_is_checked(settings: Settings, options: Any, error: Any, named: str) -> None:
    if error is None:
        at(settings, **options)
        return
    with pytest.raises(error, match=named):
        at(settings, **options)


def test_the_right_model_may_be_asked_for(settings: Settings, model: Path) -> None:
    for digits in (12, 64):
        assert hash_of(model)[:16] in at(settings, model=hash_of(model)[:digits]).quantity


def test_without_a_k_nothing_is_given(settings: Settings) -> None:
    with pytest.raises(NoPrivacyRule):
        at(settings.model_copy(update={"k": None}))


def test_fewer_patients_than_k_over_all_sites_end_the_job(settings: Settings) -> None:
    from hospital_agent.federation.jobs.errors import TooFewPatients

    strict = at(settings.model_copy(update={"k": 7}))
    with pytest.raises(TooFewPatients):
        rehearse(strict.job, [strict.data()])


@pytest.fixture(scope="module")
def concluded(settings: Settings) -> Any:
    there = at(settings)
    result = rehearse(there.job, [there.data()]).result
    return result, there.conclude(result, Ended(RUN, ("east", "north", "west")))


class TestTheProposal:
    def test_it_tells_only_what_follows_from_the_totals(self, concluded: Any) -> None:
        result, told = concluded
        assert set(told) == {"sites", "rows", "patients", "weight"}
        assert (told["patients"], told["rows"]) == (6, result.moments.count)

    def test_its_card_says_what_it_is(self, concluded: Any, settings: Settings, model: Path) -> None:
        (one,) = proposals(settings)
        card = one.card
        assert (card["run"], card["job"], card["model"]) == (RUN, "gaussian", hash_of(model))
        assert (card["sites"], card["patients"]) == (["east", "north", "west"], 6)
        assert json.dumps(card).find("north0") == -1

    def test_the_score_is_the_pooled_fit(self, concluded: Any, settings: Settings, model: Path) -> None:
        (one,) = proposals(settings)
        name, score, _ = one.reference() or pytest.fail("no reference")
        data = at(settings).data()
        pooled = Mahalanobis.fit(data.rows, data.patients)
        np.testing.assert_allclose(score.distances(data.rows), pooled.distances(data.rows), rtol=1e-4)  # type: ignore[attr-defined]
        assert name == "mahalanobis"

    def test_its_scale_is_of_patients_whom_the_reference_had_not_seen(
        self, concluded: Any, settings: Settings, model: Path
    ) -> None:
        (one,) = proposals(settings)
        cases, weight = look_at_images(settings, model), one.card["weight"]
        expected = []
        for case in cases:
            others = [other.rows["mahalanobis"].rows for other in cases if other.patient != case.patient]
            gaussian = fit_gaussian(GaussianMoments.of(np.concatenate(others)), weight)
            rows = case.rows["mahalanobis"]
            expected.append(rows.value(gaussian.squared_distances(rows.rows)))
        low, median, high = one.card["range"]
        assert (low, high) == pytest.approx((min(expected), max(expected)), rel=1e-5)
        assert low < median < high

    def test_a_site_that_is_not_in_it_has_nobody_to_leave_out(
        self, concluded: Any, settings: Settings, model: Path
    ) -> None:
        result, _ = concluded
        cases, gaussian = look_at_images(settings, model), result.reference().gaussian
        inside, outside = (
            left_out_values(cases, "mahalanobis", result.moments, result.weight.weight, gaussian, told)
            for told in ({case.patient for case in cases}, ())
        )
        assert all(one > other for one, other in zip(inside, outside, strict=True))  # type: ignore[operator]
        rows = cases[0].rows["mahalanobis"]
        assert outside[0] == rows.value(gaussian.squared_distances(rows.rows))
        assert range_of(cases, [None] * len(cases)) is None

    def test_a_changed_file_is_not_taken_for_it(self, concluded: Any, settings: Settings) -> None:
        (one,) = proposals(settings)
        file = one.folder / "reference.safetensors"
        content = file.read_bytes()
        file.write_bytes(content[:-1] + b"\0")
        with pytest.raises(SettingsError, match="card"):
            one.reference()
        file.write_bytes(content)

    def test_nothing_is_put_to_use(self, concluded: Any, settings: Settings) -> None:
        from hospital_agent.federation.in_use import model_in_use

        assert model_in_use(settings) == settings.model_dir


def test_one_patient_more_is_not_given_before_k_have_come(settings: Settings, model: Path, tmp_path: Path) -> None:
    """Else the totals of two runs would differ by this patient's rows."""
    site = settings.model_copy(update={"data_dir": tmp_path / "data", "federation_images": tmp_path / "images"})
    shutil.copytree(settings.federation_images or "", tmp_path / "images")
    shutil.copytree(settings.federation_dir / "looked_at", site.federation_dir / "looked_at")
    shutil.copyfile(settings.data_dir / "site_secret", site.data_dir / "site_secret")
    before = at(site).data()
    write_nifti(tmp_path / "images" / "new__0.nii.gz", chest_values((12, 24, 20), seed=5))
    assert len(look_at_images(site, model)) == 9
    np.testing.assert_array_equal(at(site).data().rows, before.rows)
    for number in range(4):
        write_nifti(tmp_path / "images" / f"more{number}__0.nii.gz", chest_values((12, 24, 20), seed=6 + number))
    assert len(set(at(site).data().patients)) == 6 + 5
