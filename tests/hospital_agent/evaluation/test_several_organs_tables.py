"""What is computed from the study's rows, by hand: differences, detection, tables, sentences."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hospital_agent.evaluation.rows import Condition, Scored, Split
from hospital_agent.evaluation.several_organs import tables
from hospital_agent.evaluation.several_organs.detection import detected, over_seeds, ranked, undefined_methods
from hospital_agent.evaluation.several_organs.differences import differences
from hospital_agent.evaluation.several_organs.findings import findings
from hospital_agent.evaluation.several_organs.measuring import Judged, Segmented
from hospital_agent.evaluation.several_organs.networks import (
    FINE_TUNED,
    JOINT,
    JOINT_MIXUP,
    SINGLE,
    SINGLE_MIXUP,
    STRATEGIES,
)
from hospital_agent.evaluation.several_organs.paper import NUMBERS, SEPARATE, TOGETHER
from hospital_agent.evaluation.several_organs.report import write_report

RUN = {"task": "several_organs", "command": "hospital-agent evaluate", "seeds": [0, 1]}


def scored(
    dataset: str,
    patient: int,
    seed: int = 0,
    *,
    split: Split = "test",
    dice: float | None = 0.8,
    ece: float | None = 0.1,
    values: dict[str, float | None] | None = None,
) -> Scored:
    told = values or {}
    return Scored(
        task=dataset,
        seed=seed,
        split=split,
        patient=f"{dataset}/p{patient}",
        case=f"{dataset}/p{patient}",
        condition=Condition(),
        dice=dice,
        label_dice={"1": dice},
        hd95_mm=None if dice == 0.0 else 4.0,
        assd_mm=1.0,
        ece=ece,
        mce=None if ece is None else 2 * ece,
        values=told,
        measured=dict.fromkeys(told, "1"),
    )


def strategies(dataset: str, joint_ece: float, patients: int, seeds: tuple[int, ...] = (0, 1)) -> list[Segmented]:
    """Single-task: ECE 0.1, DSC 0.8; joint: the given ECE, DSC 0.7; the others as single-task, mixup of joint 0.5."""
    made = {
        SINGLE: (0.1, 0.8),
        JOINT: (joint_ece, 0.7),
        JOINT_MIXUP: (0.2, 0.5),
        SINGLE_MIXUP: (0.1, 0.8),
        FINE_TUNED: (0.05, 0.9),
    }
    return [
        Segmented(strategy, dataset, scored(dataset, 10 * seed + patient, seed, dice=dice, ece=ece))
        for seed in seeds
        for strategy, (ece, dice) in made.items()
        for patient in range(patients)
    ]


def test_a_difference_by_hand_and_its_verdict() -> None:
    found = {
        (one.dataset, one.measure): one
        for one in differences([*strategies("a", 0.04, 4), *strategies("b", 0.3, 1)], draws=50)
    }
    assert found["a", "ece"].estimate == pytest.approx(-0.06)
    assert found["a", "ece"].low == pytest.approx(-0.06)  # every patient differs by as much
    assert (found["a", "ece"].better, found["a", "ece"].sure, found["a", "ece"].patients) == (True, True, 8)
    assert found["a", "dice"].estimate == pytest.approx(-0.1)
    assert found["a", "dice"].better is False
    assert found["a", "mce"].estimate == pytest.approx(-0.12)
    example = found["b", "ece"]
    assert (example.better, example.sure, example.low, example.patients) == (False, False, None, 2)


def test_a_difference_is_the_mean_over_images_within_a_seed_then_over_seeds() -> None:
    rows = []
    for seed, patient, gap in ((0, 1, 0.1), (0, 2, 0.3), (1, 3, -0.2)):
        rows += [
            Segmented(SINGLE, "a", scored("a", patient, seed, dice=0.5)),
            Segmented(JOINT, "a", scored("a", patient, seed, dice=0.5 + gap)),
        ]
    found = differences(rows, draws=20)[0]
    assert found.seeds == pytest.approx((0.2, -0.2))
    assert found.estimate == pytest.approx(0.0)
    assert found.patients == 3


def test_the_interval_is_that_of_a_plain_bootstrap_over_patients() -> None:
    gaps = np.random.default_rng(0).normal(0.05, 0.1, 12)
    rows = []
    for patient, gap in enumerate(gaps):
        rows += [
            Segmented(SINGLE, "a", scored("a", patient, dice=0.5)),
            Segmented(JOINT, "a", scored("a", patient, dice=0.5 + float(gap))),
        ]
    found = differences(rows, draws=4000)[0]
    means = np.random.default_rng(1).choice(gaps, (4000, 12)).mean(axis=1)
    assert found.low == pytest.approx(np.quantile(means, 0.025), abs=0.006)
    assert found.high == pytest.approx(np.quantile(means, 0.975), abs=0.006)


def test_an_image_that_one_of_the_two_says_nothing_of_is_left_out() -> None:
    rows = [
        Segmented(SINGLE, "a", scored("a", 1, ece=0.2)),
        Segmented(JOINT, "a", scored("a", 1, ece=0.1)),
        Segmented(SINGLE, "a", scored("a", 2, ece=None)),
        Segmented(JOINT, "a", scored("a", 2, ece=0.9)),
    ]
    found = differences(rows, draws=5)
    assert found[1].estimate == pytest.approx(-0.1)
    nothing = differences(rows[2:], draws=5)[1]
    assert (nothing.estimate, nothing.better, nothing.seeds) == (None, None, ())


def judged(left_out: str, seed: int, near: list[float], far: list[float], validation: list[float]) -> list[Judged]:
    """Scores `own` (with tau 2.5 of its own) and `other` (the same values, tau from validation), and one undefined."""
    other = "b" if left_out == "a" else "a"
    made: list[tuple[str, Split, list[float]]] = [
        (other, "validation", validation), (other, "test", near), (left_out, "test", far)
    ]  # fmt: skip
    return [
        Judged(
            left_out,
            dataset,
            scored(dataset, number, seed, split=split, values={"own": value, "other": value, "never": None}),
            {"own": 2.5},
        )
        for dataset, split, values in made
        for number, value in enumerate(values)
    ]


ROWS = judged("a", 0, near=[1.0, 2.0, 3.0], far=[4.0, 2.2], validation=[1.0, 2.0, 3.0])


def test_detection_by_hand_with_a_threshold_from_training() -> None:
    own = next(one for one in detected(ROWS) if one.method == "own")
    assert own.from_training
    assert (own.n, own.n_foreign, own.threshold) == (5, 2, 2.5)
    assert own.sensitivity == 0.5  # 4.0 of 4.0 and 2.2
    assert own.specificity == pytest.approx(2 / 3)  # 3.0 is above
    assert own.accuracy == pytest.approx(3 / 5)
    assert own.auc == pytest.approx(5 / 6)  # of six pairs only (3.0, 2.2) is the wrong way round


def test_detection_by_hand_with_a_threshold_from_validation() -> None:
    other = next(one for one in detected(ROWS) if one.method == "other")
    assert not other.from_training
    assert other.threshold == pytest.approx(2.0 + 2.5 * 1.0)  # mean 2, SD 1
    assert (other.sensitivity, other.specificity) == (0.0, 1.0)


def test_without_a_threshold_or_a_stranger_there_is_no_accuracy() -> None:
    few = judged("a", 0, near=[1.0], far=[2.0], validation=[1.0, 1.0])
    other = next(one for one in detected(few) if one.method == "other")
    assert (other.threshold, other.accuracy, other.auc) == (None, None, 1.0)
    alone = next(one for one in detected(judged("a", 0, [1.0], [], [1.0])) if one.method == "own")
    assert (alone.accuracy, alone.auc) == (None, None)


def test_a_score_without_a_value_is_named_and_not_in_the_table() -> None:
    assert undefined_methods(ROWS) == ["never"]
    assert {one.method for one in detected(ROWS)} == {"own", "other"}


def test_means_are_over_datasets_within_a_seed_and_then_over_seeds() -> None:
    rows = [*ROWS, *judged("b", 0, [1.0], [2.0], [1.0] * 3), *judged("a", 1, [2.0], [1.0], [1.0] * 3)]
    found = detected(rows)
    assert over_seeds(found, "own", "auc", "a").values == pytest.approx((5 / 6, 0.0))  # type: ignore[union-attr]
    assert over_seeds(found, "own", "auc").values == pytest.approx(((5 / 6 + 1.0) / 2, 0.0))  # type: ignore[union-attr]
    assert over_seeds(found, "nobody", "auc") is None
    assert set(ranked(found)) == {"own", "other"}


def test_the_table_of_strategies_by_hand() -> None:
    rows = [
        Segmented(SINGLE, "a", scored("a", 1, dice=0.6, ece=0.1)),
        Segmented(SINGLE, "a", scored("a", 2, dice=0.8, ece=0.3)),
        Segmented(SINGLE, "a", scored("a", 3, dice=0.0, ece=None)),
    ]
    line = tables.strategies(rows).splitlines()[2]
    assert line.startswith("| a | single-task | 3 | 3 | 0.467 ± 0.340 | 4.0 ± 0.0 (1 undefined) |")
    assert line.endswith("| 0.200 ± 0.100 (1 undefined) | 0.400 ± 0.200 (1 undefined) |")
    assert tables.mean_sd([None], 3) == "–"


def test_the_paper_has_both_trainings_of_each_dataset_and_the_lines_of_its_text() -> None:
    for training in (SEPARATE, TOGETHER):
        assert sum(one.table == "II" and one.training == training for one in NUMBERS) == 12
    text = tables.papers_strategies()
    assert (
        "| II | hippocampus | a model for each dataset | 0.88 → 0.87 | 1.04 → 1.25 | 0.42 → 0.51 | 0.11 → 0.14 |"
        in text
    )
    separate, together = (
        {one.data: one.ece[0] for one in NUMBERS if one.table == "II" and one.training == t}
        for t in (SEPARATE, TOGETHER)
    )
    assert [name for name in separate if together[name] > separate[name]] == ["hippocampus"]  # as its text says


SIGNATURES = {"spectral_signature": (1.0, 9.0), "mahalanobis": (1.0, 1.0), "spectral_signature_paper": (9.0, 1.0)}


def signatures(left_out: str) -> list[Judged]:
    """The signature knows the stranger; Mahalanobis cannot tell; the published one is the wrong way round."""
    return [
        Judged(
            left_out,
            dataset,
            scored(dataset, number, values={name: value[dataset == left_out] for name, value in SIGNATURES.items()}),
            {"spectral_signature": 5.0},
        )
        for dataset in ("a", "b")
        for number in range(3)
    ]


def test_sentences_follow_the_numbers() -> None:
    rows = [*strategies("a", 0.04, 4), *strategies("b", 0.3, 4), *strategies("c", 0.05, 1)]
    found = detected([*signatures("a"), *signatures("b")])
    said = findings(rows, found, differences(rows, draws=50))
    assert said[1] == (
        "ECE of one joint network is lower than that of single-task networks on 2 of 3 datasets: a (-0.060) and c "
        "(-0.050); on 1 it is not: b (+0.200). The interval of the difference excludes 0 for 1 of the better and 1 of "
        "the worse ones."
    )
    assert said[0].startswith(
        "DSC of one joint network is higher than that of single-task networks on 0 of 3 datasets; on 3"
    )
    assert said[3].startswith("Mean ECE over the datasets, lowest first: fine-tuned 0.050, ")
    assert "Joint with mixup is better than joint in DSC on 0 of 3 datasets (mean -0.200)" in said[4]
    together = " ".join(said)
    assert "AUC of at least 0.95 on 2 of 2 datasets: a 1.000 and b 1.000." in together
    assert "With its own threshold its mean accuracy is 1.000." in together
    assert "`spectral_signature` 1.000, `mahalanobis` 0.500; the signature's is higher on 2 of 2 datasets." in together
    assert "as published (`spectral_signature_paper`) has a mean AUC of 0.000, ours 1.000." in together
    assert "The published one changes with the size" in together
    assert said[-1] == "c: fewer than 5 test patients, examples and no estimates."


def test_nothing_is_said_of_what_is_undefined() -> None:
    rows = [Segmented(name, "a", scored("a", 1, dice=None, ece=None)) for name in STRATEGIES]
    said = findings(rows, [], differences(rows, draws=5))
    assert said == ["a: fewer than 5 test patients, examples and no estimates."]


def test_the_report_and_its_files_hold_the_same_numbers(tmp_path: Path) -> None:
    rows = strategies("a", 0.04, 4)
    write_report(tmp_path, rows, [*signatures("a"), *signatures("b")], RUN, draws=20)
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    joint = next(line for line in lines if line["method"] == JOINT and line["seed"] == "1")
    assert (joint["experiment"], joint["dataset"], joint["n"], joint["ece"]) == ("strategies", "a", "4", "0.04")
    spectral = next(line for line in lines if line["method"] == "spectral_signature")
    assert (spectral["experiment"], spectral["n_foreign"], spectral["auc"], spectral["accuracy"]) == (
        "left_out",
        "3",
        "1",
        "1",
    )
    summary, text = json.loads((tmp_path / "summary.json").read_text()), (tmp_path / "report.md").read_text()
    assert summary["study"] == "several_organs"
    assert all(f"- {said}\n" in text for said in summary["findings"])
    assert all(section["text"] in text for section in summary["sections"])
    for name in ("signature_distances", "calibration_error"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
        assert f"({name}.png)" in text


def test_joint_training_beside_the_interval_says_example_where_it_is_one() -> None:
    found = differences([*strategies("a", 0.04, 4), *strategies("b", 0.3, 1)], draws=20)
    text = tables.joint_against_single(found)
    assert "| a | ECE | -0.060 | -0.060 to -0.060 | -0.060 to -0.060 | better | 8 |" in text
    assert "| b | ECE | +0.200 | example | +0.200 to +0.200 | worse (example) | 2 |" in text
