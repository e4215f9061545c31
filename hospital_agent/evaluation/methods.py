"""Every method of the tables: found in the registries, with its price, its paper, and why it cannot run."""

from collections.abc import Mapping, Sequence

from hospital_agent.analysis.features import features
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.evaluation.rows import Method, Scored
from hospital_agent.evaluation.supervised import Learner
from shared.quantities import Direction

SOURCES = {
    "mahalanobis": "González 2021",
    "max_softmax": "González 2021",
    "temperature_softmax_10": "González 2021",
    "temperature_softmax_100": "González 2021",
    "temperature_softmax_1000": "González 2021",
    "kl_from_uniform": "González 2021",
    "mc_dropout": "González 2021",
    "pooled_mahalanobis": "Lennartz 2023",
    "mean_entropy": "Lennartz 2023",
    "ensemble_entropy": "Lennartz 2023",
    "spectral_signature": "Karimi 2022",
    "spectral_signature_paper": "Karimi 2022",
    "mah_dist": "Karimi 2022",
    "deep_knn": "Karimi 2022",
    "odin": "Karimi 2022",
    "unc_dropout": "Karimi 2022",
    "unc_ensemble": "Karimi 2022",
}
PAPERS = tuple(sorted(set(SOURCES.values()) | {"González 2021 (quality)"}))


def one_pass_directions() -> dict[str, Direction]:
    """Every value that one forward pass gives, with which way is worse: what a fused score may look at."""
    told: dict[str, Direction] = {
        name: feature.quantity.direction for name, feature in features.load("hospital_agent.analysis.features").items()
    }
    for name in (
        *uncertainty_scores.load("hospital_agent.analysis.uncertainty").names(),
        *ood_scores.load("hospital_agent.analysis.ood").names(),
    ):
        told[name] = "higher_is_worse"
    return told


def feature_directions(label_count: int) -> dict[str, Direction]:
    """The mask-QC features alone, of the whole mask and of each label."""
    whole = {
        name: feature.quantity.direction for name, feature in features.load("hospital_agent.analysis.features").items()
    }
    if label_count == 1:
        return whole
    by_label = {
        f"label_{number}_{name}": direction for number in range(1, label_count + 1) for name, direction in whole.items()
    }
    return {**whole, **by_label}


def methods_of(
    rows: Sequence[Scored], refused: Mapping[str, str], learners: Sequence[Learner], members: int
) -> list[Method]:
    """Every registered method, in the order of its price; those without any value say why."""
    defined = {name for row in rows for name, value in row.values.items() if value is not None}
    found = [Method(name, source=SOURCES.get(name, "")) for name in uncertainty_scores.names()]
    found += [
        Method(name, source=SOURCES.get(name, ""), not_applicable=refused.get(name)) for name in ood_scores.names()
    ]
    for name, score in sampled_scores.items():
        passes = members if score.passes is None else score.passes
        why = None if name in defined else _why_not(score.source, members)
        found.append(Method(name, passes=passes, source=SOURCES.get(name, ""), not_applicable=why))
    found += [
        Method(
            learner.name,
            supervised=True,
            source=SOURCES.get(learner.name, ""),
            not_applicable=None if learner.name in defined else "too few failed or good validation cases to learn from",
        )
        for learner in learners
    ]
    return [method if method.not_applicable or method.name in defined else _undefined(method) for method in found]


def _why_not(source: str, members: int) -> str:
    if source == "ensemble" and members < 2:
        return "no ensemble was trained for this task"
    return {
        "dropout": "several passes were not made for this task, or the network has no dropout",
        "ensemble": "the members' answers were not made for this task",
        "gradient": "the network gives no gradient, or the passes were not made for this task",
    }[source]


def _undefined(method: Method) -> Method:
    return Method(
        method.name, method.passes, method.supervised, method.trivial, method.source, "undefined for every image"
    )
