"""The study of federated training on balls: who has which patients, what is trained, and what its tables say."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.evaluation.config import task_from
from hospital_agent.evaluation.federated import tables
from hospital_agent.evaluation.federated.chests import SimulatedChests
from hospital_agent.evaluation.federated.images import FolderImages
from hospital_agent.evaluation.federated.measuring import AtSiteRow, rows_of
from hospital_agent.evaluation.federated.sites import SitePlan, sites_of
from hospital_agent.evaluation.federated.study import Dataset, Federated
from hospital_agent.evaluation.federated.training import AVERAGED, LOCAL, POOLED, STRATEGIES, Cost, FederatedPlan
from hospital_agent.evaluation.results_page import results_page
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.studies import studies
from hospital_agent.evaluation.tasks import tasks
from hospital_agent.evaluation.tasks.reading import NoImages
from shared.registry import Registry
from tests.hospital_agent.evaluation.test_tasks import TOML
from tests.labelled_images import write_balls

TWO = (SitePlan("many", 2), SitePlan("few", 1, Condition("contrast_and_noise", 3)))
PLAN = FederatedPlan(rounds=2, steps=2)
DATASET = Dataset(FolderImages("balls"), PLAN, TWO)
STUDY = Federated([DATASET])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("balls")
    write_balls(folder, patients=9, images=1)
    (folder / "task.toml").write_text(TOML)
    return folder


@pytest.fixture(scope="module", autouse=True)
def registered(data):
    known: Registry = Registry("task")
    known.register("balls")(task_from(data / "task.toml"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hospital_agent.evaluation.federated.images.tasks", known)
        patched.setattr(known, "load", lambda package: known)
        yield known


@pytest.fixture(scope="module")
def out(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    STUDY.run(data, folder, [0, 1], quick=False, device="cpu", command="hospital-agent evaluate")
    return folder


def test_every_patient_is_at_one_site_and_sizes_are_as_declared(data, registered):
    images = FolderImages("balls")
    train = images.task.examples(data)
    plans = (SitePlan("a", 4), SitePlan("b", 2), SitePlan("c", 3))
    sites = sites_of(images, train, plans, seed=0)
    assert [len(site.train) + len(site.held_out) for site in sites] == [4, 2, 3]
    assert all(site.held_out for site in sites)
    hashes = [item[0].tobytes() for site in sites for item in (*site.train, *site.held_out)]
    assert len(set(hashes)) == 9


def test_another_seed_shares_patients_out_otherwise(data, registered):
    images = FolderImages("balls")
    one, other = (sites_of(images, images.task.examples(data), TWO, seed)[0].train for seed in (0, 1))
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_a_sites_images_are_as_its_scanner_makes_them(data, registered):
    images = FolderImages("balls")
    plain, noisy = (
        sites_of(images, images.task.examples(data), (SitePlan("a", 1, scanner), SitePlan("b", 1)), seed=0)[0].train[0]
        for scanner in (Condition(), Condition("contrast_and_noise", 3))
    )
    assert not np.array_equal(plain[0], noisy[0])
    np.testing.assert_array_equal(plain[1], noisy[1])


def test_a_site_needs_two_patients(data, registered):
    images = FolderImages("balls")
    with pytest.raises(TooFewCases, match="'tiny' would have 1"):
        sites_of(images, images.task.examples(data), (SitePlan("large", 8), SitePlan("tiny", 1)), seed=0)


def test_strategies_make_the_networks_that_they_should(data, out):
    strategies, _ = DATASET.strategies(data, out, 0, "cpu")

    def same(strategy, names=lambda name: True):
        one, other = (strategies.trained(strategy).by_site[site] for site in ("many", "few"))
        return all(torch.equal(one[name], other[name]) for name in one if names(name))

    assert same(POOLED)
    assert same(AVERAGED)
    assert not same(LOCAL)
    assert not same("fedbn")
    assert same("fedbn", lambda name: name.endswith("head.weight"))
    assert strategies.trained(LOCAL).megabytes == 0
    weights = sum(value.numel() for value in strategies.trained(AVERAGED).by_site["many"].values())
    assert strategies.trained(AVERAGED).megabytes == pytest.approx(8e-6 * (5 + 2 * (weights + 5) + 5))


def test_a_tuned_network_that_is_worse_is_not_kept(data, out, monkeypatch):
    strategies, _ = DATASET.strategies(data, out, 0, "cpu")
    judged = iter([0.8, 0.7, 0.7, 0.8])
    monkeypatch.setattr("hospital_agent.training.local_training.LocalTrainer.dice_sum", lambda self, _: next(judged))
    before, after = strategies.trained(LOCAL), strategies._train("local_tuned")
    same = {
        site: all(torch.equal(before.by_site[site][name], value) for name, value in state.items())
        for site, state in after.by_site.items()
    }
    assert same == {"many": True, "few": False}


def test_tuned_networks_go_on_from_others_at_each_site(data, out, monkeypatch):
    strategies, _ = DATASET.strategies(data, out, 0, "cpu")
    monkeypatch.setattr("hospital_agent.training.local_training.LocalTrainer.dice_sum", lambda self, _: 0.5)
    made = {name: strategies.trained(name) for name in (AVERAGED, LOCAL)}
    made |= {name: strategies._train(name) for name in ("fedavg_tuned", "local_tuned")}
    weights = {
        (name, site): torch.cat([value.flatten() for value in made[name].by_site[site].values()])
        for name in (AVERAGED, LOCAL, "fedavg_tuned", "local_tuned")
        for site in ("many", "few")
    }
    distance = {
        (one, other): float((weights[one, "few"] - weights[other, "few"]).norm())
        for one in ("fedavg_tuned", "local_tuned")
        for other in (AVERAGED, LOCAL)
    }
    assert 0 < distance["fedavg_tuned", AVERAGED] < distance["fedavg_tuned", LOCAL]
    assert 0 < distance["local_tuned", LOCAL] < distance["local_tuned", AVERAGED]
    assert not torch.equal(weights["fedavg_tuned", "many"], weights["fedavg_tuned", "few"])
    assert strategies.trained("fedavg_tuned").megabytes == strategies.trained(AVERAGED).megabytes
    assert strategies.trained("local_tuned").seconds > strategies.trained(LOCAL).seconds


def test_tuning_sees_other_tiles_than_the_training(data, out):
    strategies, _ = DATASET.strategies(data, out, 0, "cpu")
    site = strategies.sites[0]
    drawn = [
        next(strategies._trainer(site, name)._batches(number))[0].numpy().tobytes()
        for name, number in ((LOCAL, 1), (LOCAL, 2), ("local_tuned", 1), ("local_tuned", 2))
    ]
    assert len(set(drawn)) == 4


def test_the_report_is_made_of_all_strategies_and_sites(out):
    report = (out / "report.md").read_text()
    assert all(f"| {strategy} |" in report for strategy in STRATEGIES)
    assert "'few': 1 of 3 parts of the patients, contrast and noise of strength 3" in report
    assert (
        len((out / "results.csv").read_text().splitlines()) == 1 + 2 * 2 * len(STRATEGIES) * 2
    )  # seeds, patients, strategies, sites
    assert json.loads((out / "run.json").read_text())["seeds"] == [0, 1]


def test_in_little_two_patients_are_tested(data, out):
    (little,) = STUDY.shortened().datasets
    _, parts = little.strategies(data, out, 0, "cpu")
    assert len({example.patient for example in parts.test}) == 2
    _, parts = replace(DATASET, tested=1).strategies(data, out, 0, "cpu")
    assert [example.patient for example in parts.test] == [parts.test[0].patient]


def test_the_results_page_takes_the_study_in(out, tmp_path):
    assert "## federated" in results_page([out])


def test_a_second_run_trains_nothing_and_comes_to_the_same(data, out, monkeypatch):
    before = (out / "results.csv").read_bytes()
    monkeypatch.setattr("hospital_agent.evaluation.federated.training.Strategies._train", None)
    STUDY.run(data, out, [0, 1], quick=False, device="cpu", command="hospital-agent evaluate")
    assert (out / "results.csv").read_bytes() == before


def test_the_report_tells_what_leaves_a_site_and_the_seconds(out):
    report = (out / "report.md").read_text()
    told = [
        line.split(" | ") for line in report.splitlines() if line.startswith(("| pooled | 0.0 |", "| local | 0.0 |"))
    ]
    assert [line[0] for line in told] == ["| pooled", "| local"]
    assert "2 seeds, " in report


def test_prices_are_means_over_the_seeds_that_have_them():
    costs = [Cost("d", AVERAGED, 4.0, 10.0), Cost("d", AVERAGED, 4.0, 20.0), Cost("d", LOCAL, 0.0, None)]
    told = tables.prices([*costs, Cost("other", AVERAGED, 9.0, 99.0)], "d")
    assert "| fedavg | 4.0 | 15 |" in told
    assert "| local | 0.0 | – |" in told
    assert "| fedprox | – | – |" in told


def rows(gain):
    """Two sites, two seeds, six patients: fedavg is `gain` better than the others everywhere."""
    better = {AVERAGED: gain}
    return [
        AtSiteRow("d", strategy, site, seed, who, who, 0.5 + int(who) / 50 + better.get(strategy, 0.0))
        for strategy in STRATEGIES
        for site in ("many", "few")
        for seed in (0, 1)
        for who in map(str, range(6))
    ]  # fmt: skip


def test_what_is_tuned_is_held_against_what_is_tuned():
    told = [replace(row, dice=row.dice + 0.2) if row.strategy == "local_tuned" else row for row in rows(0.1)]
    found = {(one.site, one.strategy, one.against): one.estimate for one in tables.gains(told, draws=50)}
    assert found["few", "fedavg_tuned", "local_tuned"] == pytest.approx(-0.2)
    assert ("few", "fedavg_tuned", LOCAL) not in found
    assert "| fedavg_tuned | -0.200" in tables.differences(tables.gains(told, draws=50), "d", pooled=False)
    assert "is worse than training alone" in tables.sentences(tables.gains(told, draws=50))[3]


def test_gains_are_paired():
    found = {(one.site, one.strategy, one.against): one for one in tables.gains(rows(0.1), draws=200)}
    gain = found["few", AVERAGED, LOCAL]
    assert (gain.estimate, gain.low, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found[tables.ALL, "fedprox", POOLED].estimate == pytest.approx(0)
    assert gain.seeds == pytest.approx((0.1, 0.1))
    assert gain.patients == 6


@pytest.mark.parametrize(
    ("gain", "near", "verdict"),
    [
        (0.1, "more than 0.02 Dice above", "better than"),
        (-0.1, "more than 0.02 Dice below", "worse than"),
        (0.0, "within 0.02 Dice of", "not told apart from"),
    ],
)
def test_sentences_follow_from_the_numbers(gain, near, verdict):
    said = tables.sentences(tables.gains(rows(gain), draws=200))
    assert len(said) == 5
    assert all(one.endswith("2 seeds.") for one in said)
    assert f"federated averaging is {near} pooled training" in said[2]
    assert f"site 'many': federated averaging is {verdict} training alone" in said[0]


def test_seeds_that_disagree_tell_nothing_apart_from_pooled_training():
    signs = {0: 0.3, 1: -0.1}
    told = [replace(row, dice=0.5 + (row.strategy == AVERAGED) * signs[row.seed]) for row in rows(0.0)]
    said = tables.sentences(tables.gains(told, draws=200))
    assert "federated averaging is not told apart from pooled training: +0.100" in said[2]


def test_what_is_tuned_is_not_held_against_pooled_training():
    found = tables.gains(rows(0.1), draws=20)
    assert not [one for one in found if one.strategy == "fedavg_tuned" and one.against == POOLED]
    assert "fedavg_tuned" not in tables.differences(found, "d", pooled=True)


def test_kinds_of_patients_are_told_apart():
    told = tables.by_kind(rows(0.1), "d", lambda patient: "odd" if int(patient) % 2 else "even")
    assert "| strategy | even | odd |" in told
    assert "| pooled | 0.540 | 0.560 |" in told


def test_notes_say_what_was_measured_on_fewer_seeds():
    told = [row for row in rows(0.1) if row.strategy != "fedbn" or row.seed == 0]
    assert tables.notes(told, ["d"], [0, 1]) == ["d: fedbn on 1 of 2 seeds"]


def test_what_is_missing_is_told_before_anything_is_trained(data, tmp_path, monkeypatch):
    monkeypatch.setattr("hospital_agent.evaluation.federated.training.Strategies._train", None)
    nowhere = Dataset(SimulatedChests(), PLAN, TWO)
    with pytest.raises(NoImages, match="chest_ct' lacks lidc0001"):
        Federated([DATASET, nowhere]).run(data, tmp_path, [0], quick=False, device="cpu", command="")
    assert not (tmp_path / "networks").exists()


def test_rows_of_other_test_patients_are_not_taken(data, out, tmp_path):
    strategies, parts = DATASET.strategies(data, out, 0, "cpu")
    names = lambda: {path.name for path in (out / "rows").iterdir()}  # noqa: E731
    before = names()
    few = parts.test[:1]
    assert {row.case for row in rows_of(strategies, TWO, few, out / "rows")} == {few[0].name}
    for path in names() - before:
        (out / "rows" / path).unlink()


def test_a_strategy_with_fewer_seeds_says_so():
    told = [row for row in rows(0.1) if row.strategy != "fedbn" or row.seed == 0]
    assert "| fedbn (1 of 2 seeds) | " in tables.mean_dice(told, "d")
    assert "| fedavg | " in tables.mean_dice(told, "d")
    assert "| fedbn (1 of 2 seeds) | " in tables.differences(tables.gains(told, draws=50), "d", pooled=True)


def test_seconds_that_nobody_took_are_not_counted_as_none(data, out, monkeypatch, tmp_path):
    strategies, _ = DATASET.strategies(data, out, 0, "cpu")
    known = strategies.trained(LOCAL)
    monkeypatch.setattr(strategies, "_folder", tmp_path)
    monkeypatch.setattr(strategies, "_train", lambda _: replace(known, seconds=None))
    assert strategies.trained("local_tuned").seconds is None
    assert strategies.trained(POOLED).seconds is not None


def test_an_image_without_a_dice_is_left_out():
    undefined = [replace(row, dice=None) for row in rows(0.1)]
    gain, *_ = tables.gains(undefined, draws=20)
    assert gain.estimate is None
    assert tables.sentences([gain]) == []


def test_the_study_is_registered_with_sites_of_different_sizes():
    found = studies.load("hospital_agent.evaluation.studies").get("federated")
    assert isinstance(found, Federated)
    known = tasks.load("hospital_agent.evaluation.tasks").names()
    assert {one.name for one in found.datasets} == {"hippocampus", "cardiac_mr", "chest_ct"} <= set(known)
    for one in found.datasets:
        assert len({site.share for site in one.sites}) == len({site.scanner for site in one.sites}) == 4
