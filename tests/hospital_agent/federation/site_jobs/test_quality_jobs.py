"""The quality model and its threshold over several sites, each with judged cases of its own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from hospital_agent.analysis.metrics.detection import sensitivity
from hospital_agent.analysis.quality.bins import BinModel
from hospital_agent.analysis.quality.quantities import FAILURE_PROBABILITY
from hospital_agent.federation import judged
from hospital_agent.federation.asked import NoData, NoPrivacyRule, OptionRefused, OtherModel
from hospital_agent.federation.in_use import model_in_use
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.federation.judged import good_masks, measured_flag
from hospital_agent.federation.looked_at import LookedAt
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.federation.proposals import proposals
from hospital_agent.federation.site_jobs import Ended, site_jobs
from hospital_agent.federation.site_jobs.logistic import columns_of, fitted_view
from hospital_agent.federation.versions import accept, prepare
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from hospital_agent.store import reviews, windows
from hospital_agent.store.database import Store
from hospital_agent.store.tables import CaseRow
from tests.agent_site import site_settings
from tests.model_folder import write_model
from tests.quality_cases import simulated_cases

RUN = "77" * 16
NAMES = ("east", "north", "west")
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def cases(model: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[LookedAt]]:
    """What the model shows at three sites of different sizes, instead of images."""
    quality: Any = load_model(model, with_network=False).quality
    made = {}
    for number, name in enumerate(NAMES):
        rows, dice, patients = simulated_cases(patients=20 + 5 * number, each=2, seed=number)
        made[name] = [
            LookedAt(f"{name}{patient}", {}, with_prediction(quality, values), value, empty=False)
            for values, value, patient in zip(rows, dice, patients, strict=True)
        ]
    monkeypatch.setattr(judged, "look_at_images", lambda settings, folder: made[settings.site])
    return made


@pytest.fixture
def sites(tmp_path: Path, model: Path) -> list[Settings]:
    for name in NAMES:
        (tmp_path / name / "inbox").mkdir(parents=True)
    return [
        site_settings(tmp_path / name / "inbox", tmp_path / name / "data", site=name, model_dir=model) for name in NAMES
    ]


def with_prediction(quality: Any, values: Any) -> Any:
    return {**values, "failure_probability": quality.predict(values, empty=False).failure_probability}


def over(sites: Sequence[Settings], job: str, **options: Any) -> tuple[list[Any], Any]:
    there = [site_jobs.load("hospital_agent.federation.site_jobs").get(job)(one, options) for one in sites]
    return there, rehearse(there[0].job, [one.data() for one in there]).result


class TestLogistic:
    def test_it_is_the_regression_on_pooled_cases(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]], model: Path
    ) -> None:
        _, result = over(sites, "logistic")
        quality: Any = load_model(model, with_network=False).quality
        before = quality.views[0]
        pooled = [case for some in cases.values() for case in some]
        table = columns_of(before.encoding, pooled)
        varies = table.std(axis=0) > 0
        standard = np.clip((table[:, varies] - table[:, varies].mean(axis=0)) / table[:, varies].std(axis=0), -5, 5)
        expected = BinModel.fit(standard, np.array([case.dice for case in pooled]), 0)
        view = fitted_view(before, result)
        told = view.estimator.failure_log_odds(view.encoding.encode([case.values for case in pooled]))
        np.testing.assert_allclose(told, expected.failure_log_odds(standard), atol=1e-3)

    def test_its_probability_is_calibrated_to_the_frequencies_of_all_sites(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]], model: Path
    ) -> None:
        _, result = over(sites, "logistic")
        quality: Any = load_model(model, with_network=False).quality
        view = fitted_view(quality.views[0], result)
        pooled = [case for some in cases.values() for case in some]
        told = view.platt.probability(view.estimator.failure_log_odds(view.encoding.encode([c.values for c in pooled])))
        assert told.mean() == pytest.approx(np.mean([(case.dice or 0.0) < 0.6 for case in pooled]), abs=0.1)

    def test_it_is_proposed_measured_on_own_cases_and_can_be_put_to_use(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]], model: Path
    ) -> None:
        there, result = over(sites, "logistic")
        told = [one.conclude(result, Ended(RUN, NAMES)) for one in there]
        assert told[0] == told[1] == told[2]
        assert told[0]["cases"] == 150
        north = sites[1]
        (one,) = proposals(north)
        assert (one.card["job"], one.card["cases"], one.card["model"]) == ("logistic", 150, hash_of(model))
        prepared = prepare(north, RUN)
        assert (prepared.comparison, prepared.objection) == (None, None)
        accept(north, prepared)
        quality: Any = load_model(model_in_use(north) or model, with_network=False).quality
        assert quality.version == "fed.77777777"
        view = quality.views[0]
        flags = np.array([quality.predict(case.values, empty=False).flagged for case in cases["north"]])
        failed = np.array([(case.dice or 0.0) < 0.6 for case in cases["north"]])
        assert view.flag_quality.sensitivity == sensitivity(flags, failed)
        assert "50 own cases of 25 patients" in view.measured_on
        assert view.interval_scale is not None

    def test_a_site_that_cannot_measure_it_keeps_it_for_people(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]]
    ) -> None:
        there, result = over(sites, "logistic")
        cases["north"][:] = [case for case in cases["north"] if (case.dice or 0.0) >= 0.6]
        there[1].conclude(result, Ended(RUN, NAMES))
        assert proposals(sites[1]) == []
        assert (sites[1].federation_dir / "results" / f"{RUN}.json").exists()

    def test_empty_masks_and_unjudged_cases_stay_out(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]]
    ) -> None:
        cases["north"] += [LookedAt("x", {}, {}, None, empty=False), LookedAt("y", {}, {}, 0.0, empty=True)]
        assert len(over(sites, "logistic")[0][1].data().dice) == 50

    def test_undefined_values_are_filled_and_told(self, model: Path) -> None:
        quality: Any = load_model(model, with_network=False).quality
        encoding = quality.views[0].encoding
        columns = columns_of(encoding, [LookedAt("x", {}, {}, 0.5, empty=False)])[0]
        count = len(encoding.inputs)
        np.testing.assert_allclose(columns[:count], encoding.medians)
        assert (columns[count:] == 1).all()


class TestConformal:
    def test_the_threshold_is_that_of_the_mixture(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]]
    ) -> None:
        there, result = over(sites, "conformal", level=0.8)
        largest: dict[str, float] = {}
        for some in cases.values():
            for case in some:
                if (case.dice or 0.0) >= 0.6:
                    largest[case.patient] = max(largest.get(case.patient, 0.0), case.values["failure_probability"] or 0)
        rank = int(np.ceil(0.8 * (len(largest) + 1)))
        exact = sorted(largest.values())[rank - 1]
        assert result.cohort.patients == len(largest)
        assert result.threshold >= exact
        cuts = np.array(FAILURE_PROBABILITY.cuts)
        assert result.threshold - exact < 4.1 * np.diff(cuts).max()  # a bin of 8 or 16
        told = there[0].conclude(result, Ended(RUN, NAMES))
        assert (told["threshold"], told["sites_suppressed"]) == (result.threshold, 0)

    def test_it_is_proposed_and_becomes_the_flags_threshold(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]], model: Path
    ) -> None:
        there, result = over(sites, "conformal")
        there[1].conclude(result, Ended(RUN, NAMES))
        (one,) = proposals(sites[1])
        assert one.card["good_masks_below_here"][0] == result.coverage_at(there[1].data()).estimate
        accept(sites[1], prepare(sites[1], RUN))
        before: Any = load_model(model, with_network=False).quality
        after: Any = load_model(model_in_use(sites[1]) or model, with_network=False).quality
        assert after.views[0].threshold == result.threshold != before.views[0].threshold
        assert after.views[0].to_json()["bins"] == before.views[0].to_json()["bins"]
        assert after.views[1].to_json() == before.views[1].to_json()

    def test_below_its_k_a_site_gives_zeros(self, sites: list[Settings], cases: dict[str, list[LookedAt]]) -> None:
        small = sites[0].model_copy(update={"k": 40})
        _, result = over([small, *sites[1:]], "conformal")
        assert (result.sites_suppressed, result.cohort.sites) == (1, 2)

    def test_a_reader_s_good_is_as_good_as_a_dice(
        self, sites: list[Settings], cases: dict[str, list[LookedAt]], model: Path
    ) -> None:
        before = len(good_masks(sites[0], model))
        store = Store.open(sites[0].data_dir)
        with store.write() as session:
            window = windows.start(session, 0, NOW, windows.ModelKey("bundled", "1", hash_of(model)))
            for number, (hash_, probability) in enumerate(
                [(hash_of(model), 0.25), (hash_of(model), 0.5), ("f" * 64, 0.75), (hash_of(model), None)]
            ):
                name = f"{number:032x}"
                session.add(
                    CaseRow(
                        case_id=name, series=name, instances=name, content=name, patient=name, received_at=NOW,
                        stored_at=NOW, outcome="scored", window_index=window.index, late=False, counted=True,
                        model_version="1", model_hash=hash_, values={"failure_probability": probability}, events={},
                    )
                )  # fmt: skip
            session.flush()
            drawn = reviews.draw(session, 4, Random(0), NOW + timedelta(days=1))
            for name in drawn:
                reviews.record(session, name, "failed" if int(name, 16) == 1 else "good", None, NOW)
        store.close()
        found = good_masks(sites[0], model)
        assert len(found) == before + 1
        assert found[-1].probability == 0.25

    def test_a_flag_is_measured_on_two_patients_of_each_kind_or_not(self) -> None:
        def flag(*judged_: tuple[str, float]) -> Any:
            some = [LookedAt(patient, {}, {}, dice, empty=False) for patient, dice in judged_]
            return measured_flag(some, [(case.dice or 0) < 0.3 for case in some], "these")

        assert flag(("a", 0.2), ("a", 0.1), ("b", 0.9), ("c", 0.9)) is None
        assert flag(("a", 0.2), ("b", 0.1), ("b", 0.9), ("b", 0.8)) is None
        told = flag(("a", 0.2), ("b", 0.5), ("b", 0.9), ("c", 0.9))
        assert (told.sensitivity.estimate, told.specificity.estimate) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("job", "options", "error"),
    [
        ("logistic", {"columns": 3}, OptionRefused),
        ("logistic", {"model": "f" * 64}, OtherModel),
        ("conformal", {"level": 1.0}, OptionRefused),
        ("conformal", {"level": 0.1}, OptionRefused),
        ("conformal", {"level": "0.9"}, OptionRefused),
        ("conformal", {"model": "f" * 64}, OtherModel),
    ],
)
def test_what_the_centre_asks_is_checked(sites: list[Settings], job: str, options: Any, error: Any) -> None:
    with pytest.raises(error):
        over(sites, job, **options)


@pytest.mark.parametrize("job", ["logistic", "conformal"])
def test_without_a_k_or_without_cases_nothing_is_given(sites: list[Settings], job: str) -> None:
    with pytest.raises(NoPrivacyRule):
        over([sites[0].model_copy(update={"k": None})], job)
    with pytest.raises(NoData):
        over(sites, job)
