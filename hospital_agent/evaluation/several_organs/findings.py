"""What the numbers of the study say, in sentences that are made from them."""

from collections.abc import Sequence

import numpy as np

from hospital_agent.evaluation.markdown import listed, number, signed
from hospital_agent.evaluation.several_organs import detection
from hospital_agent.evaluation.several_organs.detection import Detected
from hospital_agent.evaluation.several_organs.differences import FEWEST_PATIENTS, Difference, differences
from hospital_agent.evaluation.several_organs.measuring import Segmented
from hospital_agent.evaluation.several_organs.networks import (
    FINE_TUNED,
    JOINT,
    JOINT_MIXUP,
    SINGLE,
    SINGLE_MIXUP,
)
from hospital_agent.evaluation.several_organs.tables import TITLES

SIGNATURE, PUBLISHED = "spectral_signature", "spectral_signature_paper"
DISTANCES = ("mahalanobis", "pooled_mahalanobis", "mah_dist")
KNOWS = 0.95  # of AUC


def findings(rows: Sequence[Segmented], judged: Sequence[Detected], against: Sequence[Difference]) -> list[str]:
    """Everything that is said; nothing of what is undefined."""
    told = [_joint(against, measure) for measure in TITLES]
    told += [_lowest_ece(rows)]
    told += [_other(rows, JOINT_MIXUP, JOINT), _other(rows, SINGLE_MIXUP, SINGLE), _other(rows, FINE_TUNED, JOINT)]
    told += [_signature(judged), *(_against(judged, other) for other in DISTANCES), _published(judged), _best(judged)]
    return [*filter(None, told), *_examples(rows)]


def _joint(against: Sequence[Difference], measure: str) -> str:
    """On how many datasets the joint network is better, and by how much."""
    known = [one for one in against if one.measure == measure and one.better is not None]
    if not known:
        return ""
    better, worse = ([one for one in known if one.better is wanted] for wanted in (True, False))
    sure = sum(one.sure for one in better), sum(one.sure for one in worse)
    word = "higher" if measure == "dice" else "lower"
    better_by, worse_by = (f": {_named(found)}" if found else "" for found in (better, worse))
    return (
        f"{TITLES[measure]} of one joint network is {word} than that of single-task networks on {len(better)} of "
        f"{len(known)} datasets{better_by}; on {len(worse)} it is not{worse_by}. "
        f"The interval of the difference excludes 0 for {sure[0]} of the better and {sure[1]} of the worse ones."
    )


def _named(found: Sequence[Difference]) -> str:
    return listed([f"{one.dataset} ({signed(one.estimate)})" for one in found])


def _lowest_ece(rows: Sequence[Segmented]) -> str:
    means = {name: _mean_over_datasets(rows, name, "ece") for name in dict.fromkeys(one.strategy for one in rows)}
    known = {name: value for name, value in means.items() if value is not None}
    if not known:
        return ""
    ordered = sorted(known, key=lambda name: known[name])
    return f"Mean ECE over the datasets, lowest first: {listed([f'{name} {number(known[name])}' for name in ordered])}."


def _mean_over_datasets(rows: Sequence[Segmented], strategy: str, measure: str) -> float | None:
    per_dataset: dict[str, list[float]] = {}
    for one in rows:
        value = getattr(one.row, measure)
        if one.strategy == strategy and value is not None:
            per_dataset.setdefault(one.dataset, []).append(value)
    return float(np.mean([np.mean(values) for values in per_dataset.values()])) if per_dataset else None


def _other(rows: Sequence[Segmented], chosen: str, other: str) -> str:
    """One strategy against another in DSC and ECE: on how many datasets it is better."""
    found = differences(rows, chosen, other, draws=1)
    counted = []
    for measure in ("dice", "ece"):
        known = [one for one in found if one.measure == measure and one.better is not None]
        if known:
            mean = float(np.mean([one.estimate for one in known if one.estimate is not None]))
            better = sum(one.better is True for one in known)
            counted.append(f"{TITLES[measure]} on {better} of {len(known)} datasets (mean {signed(mean)})")
    return f"{chosen[0].upper()}{chosen[1:]} is better than {other} in {listed(counted)}." if counted else ""


def _signature(judged: Sequence[Detected]) -> str:
    """Against which left-out datasets the signature's AUC is at least 0.95."""
    names = dict.fromkeys(one.left_out for one in judged)
    found = {name: detection.over_seeds(judged, SIGNATURE, "auc", name) for name in names}
    known = {name: told.mean for name, told in found.items() if told is not None}
    if not known:
        return ""
    knows = [name for name, value in known.items() if value >= KNOWS]
    each = listed([f"{name} {number(value)}" for name, value in known.items()])
    accuracy = detection.over_seeds(judged, SIGNATURE, "accuracy")
    said = f" With its own threshold its mean accuracy is {number(accuracy.mean)}." if accuracy else ""
    return (
        f"`{SIGNATURE}` tells images of a left-out dataset from those of the others with an AUC of at least {KNOWS} on "
        f"{len(knows)} of {len(known)} datasets: {each}.{said}"
    )


def _against(judged: Sequence[Detected], other: str) -> str:
    """The signature's mean AUC beside a distance's, and on how many left-out datasets it is higher."""
    ours, theirs = (detection.over_seeds(judged, name, "auc") for name in (SIGNATURE, other))
    if ours is None or theirs is None:
        return ""
    higher = equal = count = 0
    for name in dict.fromkeys(one.left_out for one in judged):
        mine, its = (detection.over_seeds(judged, method, "auc", name) for method in (SIGNATURE, other))
        if mine is not None and its is not None:
            count, higher, equal = count + 1, higher + (mine.mean > its.mean), equal + (mine.mean == its.mean)
    level = f" and equal on {equal}" if equal else ""
    return (
        f"Mean AUC over left-out datasets: `{SIGNATURE}` {number(ours.mean)}, `{other}` {number(theirs.mean)}; the "
        f"signature's is higher on {higher} of {count} datasets{level}."
    )


def _published(judged: Sequence[Detected]) -> str:
    ours, theirs = (detection.over_seeds(judged, name, "auc") for name in (SIGNATURE, PUBLISHED))
    if ours is None or theirs is None:
        return ""
    return (
        f"The signature as published (`{PUBLISHED}`) has a mean AUC of {number(theirs.mean)}, ours {number(ours.mean)}."
        " The published one changes with the size and the intensities of an image, in which the datasets differ; ours "
        "does not, and sees the network's features alone."
    )


def _best(judged: Sequence[Detected]) -> str:
    order = detection.ranked(judged)
    means = {name: detection.over_seeds(judged, name, "auc") for name in order}
    told = [f"`{name}` {number(found.mean)}" for name in order[:5] if (found := means[name]) is not None]
    return f"Highest mean AUC of all {len(order)} scores: {listed(told)}." if told else ""


def _examples(rows: Sequence[Segmented]) -> list[str]:
    people = {name: {one.row.patient for one in rows if one.dataset == name} for name in {one.dataset for one in rows}}
    small = sorted(name for name, told in people.items() if len(told) < FEWEST_PATIENTS)
    return [f"{listed(small)}: fewer than {FEWEST_PATIENTS} test patients, examples and no estimates."] if small else []
