"""Every method of the tables: found in the registries, with its price, its paper, and why it cannot run."""

from collections.abc import Sequence

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
    "latent_mahalanobis": "Lennartz 2023",
    "segmentation_distortion": "Lennartz 2023",
    "mean_entropy": "Lennartz 2023",
    "ensemble_entropy": "Lennartz 2023",
    "spectral_signature": "Karimi 2022",
    "spectral_signature_paper": "Karimi 2022",
    "mah_dist": "Karimi 2022",
    "deep_knn": "Karimi 2022",
    "odin": "Karimi 2022",
    "unc_dropout": "Karimi 2022",
    "unc_ensemble": "Karimi 2022",
    "outlier_exposure": "Karimi 2022",
    "lee_gan": "Karimi 2022",
    "mask_autoencoder_pdc": "Galati 2021",
    "mask_autoencoder_phd": "Galati 2021",
}

BESIDE = {  # what runs a second time, or besides the segmenter's own passes
    "segmentation_distortion": "decoder",
    "segmentation_distortion_foreground": "decoder",
    "latent_mahalanobis": "autoencoder",
    "mask_autoencoder_pdc": "autoencoder",
    "mask_autoencoder_phd": "autoencoder",
    "outlier_exposure": "another network",
    "lee_gan": "another network",
}


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
    rows: Sequence[Scored], learners: Sequence[Learner], members: int, *, several_passes: bool = True
) -> list[Method]:
    """Every registered method, in the order of its price; those without any value say why."""
    defined = {name for row in rows for name, value in row.values.items() if value is not None}
    why = {name: sentence for row in rows for name, sentence in row.failures.items()}

    def reason(name: str, otherwise: str = "It is undefined for every image.") -> str | None:
        return None if name in defined else why.get(name, otherwise)

    one_pass = (*uncertainty_scores.names(), *ood_scores.names())
    found = [
        Method(name, beside=BESIDE.get(name, ""), source=SOURCES.get(name, ""), not_applicable=reason(name))
        for name in one_pass
    ]
    for name, score in sampled_scores.items():
        passes = members if score.passes is None else score.passes
        told = reason(name) if several_passes else reason(name, "This task does without methods of several passes.")
        method = Method(name, passes, beside=BESIDE.get(name, ""), source=SOURCES.get(name, ""), not_applicable=told)
        found.append(method)
    too_few = "There are too few failed or good validation cases to learn from."
    found += [Method(one.name, supervised=True, not_applicable=reason(one.name, too_few)) for one in learners]
    return found
