"""Fitting the fused model: what is held out, what is learned for unseen shifts, and what is refused."""

import numpy as np
import pytest

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality import fused_fit
from hospital_agent.analysis.quality.assessment import auroc
from hospital_agent.analysis.quality.fused_fit import fit_fused, fit_fused_ranking
from tests.quality_cases import ShiftedCases, shifted_cases


def training(cases: ShiftedCases) -> fused_fit.FusedTraining:
    return fused_fit._training(cases.rows, cases.dice, cases.patients, cases.families, cases.directions, ["none"])


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """For laws that hold exactly, however many trees there are."""
    monkeypatch.setattr(fused_fit, "TREES", 5)


def test_every_case_is_predicted_once_by_a_fit_that_saw_neither_its_patient_nor_its_family() -> None:
    cases = training(shifted_cases(patients=9, families=7))
    predicted = np.zeros(cases.dice.size, dtype=int)
    for out, learned in fused_fit._rounds(cases, seed=0):
        predicted += out
        assert not set(cases.patients[out]) & set(cases.patients[learned])
        assert not (set(cases.groups[out]) & set(cases.groups[learned])) - {"none"}
    np.testing.assert_array_equal(predicted, 1)


def test_images_as_they_are_are_only_held_out_by_patient() -> None:
    cases = training(shifted_cases(patients=16, families=3))
    for out, learned in fused_fit._rounds(cases, seed=0):
        if set(cases.groups[out]) == {"none"}:
            assert set(cases.groups[learned]) == set(cases.groups)


def test_without_the_other_families_to_learn_from_only_patients_are_held_out() -> None:
    cases = shifted_cases(patients=16, families=1)
    told = training(cases.where(np.array(cases.families) != "none"))
    for out, learned in fused_fit._rounds(told, seed=0):
        assert learned.any()
        assert not set(told.patients[out]) & set(told.patients[learned])


def test_a_score_is_as_loud_as_it_told_of_dice_in_the_mean_over_families() -> None:
    rng = np.random.default_rng(0)
    families = np.repeat(["none", "blur", "spikes"], 40)
    target = rng.normal(size=120)
    both, one = target.copy(), np.where(families == "spikes", target, 0.0)
    columns = np.column_stack([both, -both, one, np.ones(120)])
    told = fused_fit.FusedTraining(columns, tuple("abcd"), np.full(120, 0.5), np.full(120, "p"), families)
    loudness = fused_fit._loudness(columns, target, told)
    by_hand = np.mean(
        [np.corrcoef(one[part], target[part])[0, 1] if np.ptp(one[part]) else 0.0
         for part in (families != "spikes", families != "blur")]
    )  # fmt: skip
    np.testing.assert_allclose(loudness, [1.0, -1.0, by_hand**2, 0.0], atol=1e-12)


def test_line_and_trees_have_an_equal_part_in_the_answers() -> None:
    cases = training(shifted_cases(patients=16, families=3))
    encoding, score = fused_fit._fit(cases, seed=0)
    columns = fused_fit._columns(encoding, cases)
    line, trees = columns @ score.weights, score.tree_share * score.trees.predict(columns)
    assert line.std() == pytest.approx(0.5)
    assert trees.std() == pytest.approx(0.5)
    assert score.badness(columns).mean() == pytest.approx(0.0, abs=1e-9)


def test_equal_dice_share_their_normal_score() -> None:
    scores = fused_fit._normal_scores(np.array([0.1, 0.9, 0.1, 0.5]))
    assert scores[0] == scores[2] < scores[3] < scores[1]


@pytest.mark.usefixtures("few_trees")
def test_the_ranking_alone_is_that_of_the_whole_model() -> None:
    cases = shifted_cases(patients=6, families=2)
    given = (cases.rows, cases.dice, cases.patients, cases.families, cases.directions)
    model, ranking = fit_fused(*given), fit_fused_ranking(*given)
    assert [model.risk(row) for row in cases.rows[:9]] == [ranking.risk(row) for row in cases.rows[:9]]


def test_finds_failures_of_a_family_that_it_has_not_seen_better_than_any_score_alone() -> None:
    cases = shifted_cases(patients=24, families=4, seed=2)
    patients, families = np.array(cases.patients), np.array(cases.families)
    seen = np.isin(patients, np.unique(patients)[::2])
    ours, single = [], []
    for family in np.unique(families[families != "none"]):
        train = cases.where(seen & (families != family))
        test = cases.where(~seen & np.isin(families, [family, "none"]))
        failed = test.dice < 0.6
        ranking = fit_fused_ranking(train.rows, train.dice, train.patients, train.families, train.directions)
        ours.append(auroc(ranking.badness(test.rows), failed))
        table = fused_fit.table_of(test.rows, tuple(cases.directions))
        filled = np.where(np.isnan(table), np.nanmedian(table, axis=0), table)
        single.append([max(auroc(column, failed), auroc(-column, failed)) for column in filled.T])
    assert np.nanmean(ours) > np.nanmean(single, axis=0).max()


@pytest.mark.usefixtures("few_trees")
def test_unknown_dice_is_left_out_and_names_that_were_not_given_are_not_looked_at() -> None:
    cases = shifted_cases(patients=6, families=2)
    given = (cases.patients, cases.families, cases.directions)
    more = [{**row, "the_answer": dice} for row, dice in zip(cases.rows, cases.dice, strict=True)]
    assert fit_fused_ranking(more, cases.dice, *given).badness(more[:3]) == pytest.approx(
        fit_fused_ranking(cases.rows, cases.dice, *given).badness(cases.rows[:3])
    )
    unknown = [None, *cases.dice[1:]]
    fewer = fit_fused(cases.rows, unknown, *given)
    assert fewer.assessment["case_count"] == len(cases.rows) - 1


def test_names_what_is_wrong() -> None:
    cases = shifted_cases(patients=6, families=2)
    with pytest.raises(ValueError, match="one group for each case"):
        fit_fused(cases.rows, cases.dice, cases.patients, cases.families[1:], cases.directions)
    with pytest.raises(TooFewCases, match="No value varies"):
        fit_fused(cases.rows, cases.dice, cases.patients, cases.families, {})
    with pytest.raises(TooFewCases, match="2 patients"):
        fit_fused(cases.rows, cases.dice, ["one"] * len(cases.rows), cases.families, cases.directions)
