"""Three sites with stores, keys, policies and images of their own compute together what one place would have found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.ood.gaussian import fit_gaussian
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.analysis.ood.spectrum import invariant_signature, singular_values_of_gram
from hospital_agent.federation.looked_at import look_at_images
from hospital_agent.federation.model_reference import reference_in
from hospital_agent.federation.proposals import proposal
from hospital_agent.federation.site_jobs import site_jobs
from hospital_agent.store import ledger
from hospital_agent.store.tables import FederationReleaseRow, FederationSessionRow
from tests.federated_sites import POLICY, FederatedSites, write_site, write_window
from tests.model_folder import write_model

RUN = "ab" * 16
NAMES = ("east", "north", "west")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Any:
    folder = tmp_path_factory.mktemp("sites")
    settings = [
        write_site(folder / name, name, model, patients=3 + number, seed=number) for number, name in enumerate(NAMES)
    ]
    for number, one in enumerate(settings):
        write_window(one, patients=6 + number, seed=number)
    sites = FederatedSites(settings)
    yield sites
    sites.close()


def test_the_reference_of_three_sites_is_that_of_their_pooled_rows(federation: FederatedSites, model: Path) -> None:
    ended = federation.conduct(RUN, "gaussian")
    assert ended.completed, ended.sentence
    cases = [case for one in federation.settings.values() for case in look_at_images(one, model)]
    tables = [case.rows["mahalanobis"].rows for case in cases]
    rows = np.concatenate(tables)
    patients = [case.patient for case, table in zip(cases, tables, strict=True) for _ in table]
    pooled = Mahalanobis.fit(rows, patients)
    for settings in federation.settings.values():
        found = proposal(settings, RUN)
        _, score, _ = found.reference() or pytest.fail("no reference")
        kept: Any = score
        assert kept.weight.weight == pytest.approx(pooled.weight.weight, rel=1e-6)
        assert (kept.patch_count, kept.patient_count) == (len(rows), 3 + 4 + 5)
        np.testing.assert_allclose(kept.distances(rows), pooled.distances(rows), rtol=1e-4)  # kept in float32
        assert (found.card["sites"], found.card["patients"]) == (list(NAMES), 12)
    told = {"sites": 3, "rows": len(rows), "patients": 12, "weight": float(f"{pooled.weight.weight:.4g}")}
    assert ended.told == told


def test_histograms_are_the_sum_of_what_each_site_may_tell(federation: FederatedSites) -> None:
    run = "cd" * 16
    ended = federation.conduct(run, "histograms")
    assert ended.completed, ended.sentence
    assert ended.told is not None
    assert (ended.told["sites_told"], ended.told["patients"]) == (3, 6 + 7 + 8)
    for settings in federation.settings.values():
        told = json.loads((settings.federation_dir / "results" / f"{run}.json").read_text())
        assert told["sites"] == list(NAMES)
        for metric in told["metrics"].values():
            assert metric["sites_told"] + metric["sites_withheld"] == 3
            assert sum(metric["histogram"]["counts"]) + metric["undefined"] <= 21


def test_all_that_left_stands_in_the_ledger_before_and_in_one_chain(federation: FederatedSites) -> None:
    federation.conduct("ee" * 16, "histograms")
    for name, store in federation.stores.items():
        with store.read() as session:
            assert ledger.verify(session).count > 0
            told = [ledger.told_of(row.body) for row in ledger.rows(session)]
            mine = [one for one in told if one["run"] == "ee" * 16]
            assert [one["what"] for one in mine] == ["masked vector", "shares of the masks", "outcome"]
            assert mine[0]["cohort"] == list(NAMES)
            assert mine[0]["bytes"] > 8 * mine[0]["entries"]
            assert session.query(FederationSessionRow).count() > 0
            released = {row.cohort for row in session.query(FederationReleaseRow)}
            assert released == {" ".join(NAMES)}, name


def test_a_site_that_takes_back_its_word_is_out_at_once(federation: FederatedSites) -> None:
    file = federation.settings["west"].federation_policy_file
    assert file is not None
    file.write_text(POLICY.replace("[jobs.histograms]\nallowed = true", "[jobs.histograms]\nallowed = false"))
    try:
        ended = federation.conduct("0f" * 16, "histograms")
        assert not ended.completed
        assert ended.missing == {"west": "not_allowed"}
    finally:
        file.write_text(POLICY)


def test_a_smaller_cohort_is_not_summed_even_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory, model: Path
) -> None:
    """The sites hold to it themselves: this centre has forgotten every sum."""
    folder = tmp_path_factory.mktemp("four")
    settings = [write_site(folder / name, name, model, patients=1, seed=1) for name in (*NAMES, "south")]
    for number, one in enumerate(settings):
        write_window(one, patients=6, seed=number)
    sites = FederatedSites(settings)
    assert sites.conduct("a1" * 16, "histograms").completed
    for name in NAMES:
        sites.restart(name)
    del sites.sites["south"]
    sites.released = type(sites.released)()
    ended = sites.conduct("a2" * 16, "histograms", tries=1, attempts=1)
    assert not ended.completed
    assert "cohort_too_close" in str(ended), ended
    sites.close()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model": "f" * 64}, "other_model"),
        ({"resolution": 16}, "option_refused"),
        ({"resolution": 9}, "option_refused"),
        ({"month": "9999-12"}, "option_refused"),
        ({"month": "2001-01"}, "no_data"),
        ({"windows": 7}, "option_refused"),
    ],
)
def test_what_no_site_would_choose_is_refused_by_name(federation: FederatedSites, options: Any, reason: str) -> None:
    ended = federation.conduct("b1" * 16, "histograms", options, tries=1, attempts=1)
    assert not ended.completed
    assert ended.missing == dict.fromkeys(NAMES, reason)


def test_what_is_forbidden_is_not_even_prepared(federation: FederatedSites, monkeypatch: pytest.MonkeyPatch) -> None:
    """A centre that asks for it cannot make a site load a network or look at its images."""

    def never(settings: Any, options: Any) -> Any:
        raise AssertionError

    monkeypatch.setitem(site_jobs._things, "train_segmenter", never)
    ended = federation.conduct("c3" * 16, "train_segmenter", tries=1, attempts=1)
    assert ended.missing == dict.fromkeys(NAMES, "not_allowed")


def test_a_sketch_of_three_sites_says_how_far_it_may_be_off(federation: FederatedSites, model: Path) -> None:
    run = "d4" * 16
    ended = federation.conduct(run, "sketched_gaussian", {"rank": 64})
    assert ended.completed, ended.sentence
    assert ended.told is not None
    cases = [case for one in federation.settings.values() for case in look_at_images(one, model)]
    rows = np.concatenate([case.rows["mahalanobis"].rows for case in cases])
    for settings in federation.settings.values():
        shipped = reference_in(model, "mahalanobis")
        exact = fit_gaussian(GaussianMoments.of(rows), shipped.weight.weight)
        found = proposal(settings, run)
        _, score, _ = found.reference() or pytest.fail("no reference")
        kept: Any = score
        error = float(found.card["largest_error"])
        ratio = kept.distances(rows) / exact.squared_distances(rows)
        assert 1 / (1 + error) - 1e-4 <= ratio.min() <= ratio.max() <= 1 + error + 1e-4


def test_a_spectrum_of_three_sites_is_kept_for_people(federation: FederatedSites, model: Path) -> None:
    run = "e5" * 16
    ended = federation.conduct(run, "spectral")
    assert ended.completed, ended.sentence
    grams = [case.gram for one in federation.settings.values() for case in look_at_images(one, model)]
    mean = np.mean([gram / np.trace(gram) for gram in grams if gram is not None], axis=0)
    told = json.loads((federation.settings["north"].federation_dir / "results" / f"{run}.json").read_text())
    np.testing.assert_allclose(told["signature"], invariant_signature(singular_values_of_gram(mean)), atol=1e-6)
