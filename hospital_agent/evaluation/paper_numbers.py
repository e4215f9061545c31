"""What the papers printed, number by number with its table, to stand beside ours. Their data are never ours.

Read from the papers' own tables, except where `source` says that another page reported them. A number belongs beside
ours to be looked at, not to be beaten: every entry says on which images it was measured and why ours must differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Measures = Mapping[str, float]


@dataclass(frozen=True)
class PaperNumber:
    """What one paper reports of one method on one set of images.

    Args:
        methods: our names of the method, as in `Method.name`.
        source: paper and table.
        data: the images it was measured on.
        measures: name of a measure, as in the columns of our tables ("dice_admitted" and "dice_admitted_sd" too).
        says: what the paper says where it prints a figure instead of a number; "" otherwise.
        difference: why ours cannot be the same number.
    """

    methods: tuple[str, ...]
    source: str
    data: str
    measures: Measures
    says: str = ""
    difference: str = ""


COVID_CT = "COVID-19 CT, 35 in-distribution and 120 out-of-distribution cases"
COVID_DIFFERENCE = (
    "nnU-Net on chest CT with shifts between hospitals, 50 of them private; the threshold came from four validation "
    "cases drawn with replacement, and distances were summed over tiles without dividing by their weights"
)
FAR_DIFFERENCE = (
    "out-of-distribution there means another organ or modality, which is far; ours are the same organ under graded "
    "shifts, and near ones are harder"
)
ZENK_DIFFERENCE = (
    "nnU-Net trained on the full public set and tested on other centres; AURC also depends on how good the "
    "segmentations are, so only the order of the methods compares"
)
QUALITY_DIFFERENCE = (
    "sensitivity at the classifier's own decision, among few failures, so their interval is wide; ours is read at "
    "90 % specificity"
)
SCANNER_DIFFERENCE = "two-dimensional U-Net and real scanners; ours are other networks, mostly under simulated shifts"


def _gonzalez(method: str, error: float, fpr: float, esce: float, dice: tuple[float, float], *more: str) -> PaperNumber:
    measures = {
        "detection_error": error,
        "fpr_at_95_tpr": fpr,
        "esce": esce,
        "dice_admitted": dice[0],
        "dice_admitted_sd": dice[1],
    }
    return PaperNumber((method, *more), "González 2021, Table 1", COVID_CT, measures, difference=COVID_DIFFERENCE)


def _karimi(table: str, data: str, rows: Mapping[str, tuple[float, float, float, float]]) -> list[PaperNumber]:
    names = ("accuracy", "sensitivity", "specificity", "auc")
    return [
        PaperNumber(
            (method, f"{method}_paper"),
            f"Karimi and Gholipour 2022, Table {table}",
            data,
            dict(zip(names, numbers, strict=True)),
            difference=FAR_DIFFERENCE,
        )
        for method, numbers in rows.items()
    ]


def _zenk(methods: tuple[str, ...], covid: float, heart: float) -> list[PaperNumber]:
    source = "Zenk et al., MedIA 101 (2025) 103392, their benchmark's published results"
    return [
        PaperNumber(methods, source, "cardiac MR of other centres", {"aurc": heart}, difference=ZENK_DIFFERENCE),
        PaperNumber(methods, source, "COVID-19 CT of other centres", {"aurc": covid}, difference=ZENK_DIFFERENCE),
    ]


def _quality(method: str, challenge: float, mosmed: float) -> list[PaperNumber]:
    source = "González et al. 2021 (quality monitoring), Table 2"
    return [
        PaperNumber((method,), source, data, {"failure_sensitivity": sensitivity}, difference=QUALITY_DIFFERENCE)
        for data, sensitivity in (("COVID-19 Challenge, 8 failed", challenge), ("MosMed, 37 failed", mosmed))
    ]


NUMBERS: tuple[PaperNumber, ...] = (
    _gonzalez("max_softmax", 0.334, 0.583, 0.319, (0.582, 0.223)),
    _gonzalez("temperature_softmax_10", 0.508, 0.758, 0.407, (0.601, 0.233)),
    _gonzalez("temperature_softmax_100", 0.361, 0.550, 0.408, (0.589, 0.233)),
    _gonzalez("temperature_softmax_1000", 0.500, 1.000, 0.408, (0.592, 0.233)),
    _gonzalez("kl_from_uniform", 0.415, 0.717, 0.288, (0.600, 0.215)),
    _gonzalez("mc_dropout", 0.177, 0.183, 0.215, (0.614, 0.234)),
    _gonzalez("mahalanobis", 0.082, 0.050, 0.125, (0.744, 0.143)),
    *_karimi(
        "V",
        "eight training sets; pancreas, hippocampus and spleen as out-of-distribution",
        {
            "spectral_signature": (1.00, 0.98, 1.00, 0.98),
            "unc_dropout": (0.55, 0.48, 0.63, 0.62),
            "deep_knn": (0.76, 0.67, 0.82, 0.79),
            "unc_ensemble": (0.84, 0.87, 0.71, 0.82),
            "outlier_exposure": (0.83, 0.80, 0.86, 0.80),
            "lee_gan": (0.76, 0.69, 0.78, 0.77),
            "odin": (0.70, 0.61, 0.68, 0.67),
            "mah_dist": (0.74, 0.66, 0.80, 0.77),
        },
    ),
    *_karimi(
        "VI",
        "newborn cortical plate; fetal cortical plates as out-of-distribution",
        {
            "spectral_signature": (1.00, 1.00, 1.00, 1.00),
            "unc_dropout": (0.57, 0.54, 0.68, 0.67),
            "unc_ensemble": (0.80, 0.77, 0.81, 0.79),
            "outlier_exposure": (0.82, 0.77, 0.81, 0.80),
            "lee_gan": (0.70, 0.68, 0.71, 0.73),
            "odin": (0.67, 0.68, 0.68, 0.70),
            "mah_dist": (0.80, 0.72, 0.78, 0.77),
        },
    ),
    # The text of Table VII prints "06.0" and "09.0" for turned numbers: 0.90 and 0.60.
    *_karimi(
        "VII, upper half",
        "younger fetal cortical plate; other cortical plates as out-of-distribution",
        {
            "spectral_signature": (0.90, 0.91, 0.87, 0.90),
            "unc_dropout": (0.60, 0.61, 0.60, 0.67),
            "unc_ensemble": (0.84, 0.82, 0.74, 0.81),
            "outlier_exposure": (0.80, 0.86, 0.80, 0.81),
            "lee_gan": (0.75, 0.78, 0.71, 0.78),
            "odin": (0.64, 0.65, 0.68, 0.65),
            "mah_dist": (0.67, 0.70, 0.60, 0.64),
        },
    ),
    *_karimi(
        "VII, lower half",
        "younger fetal cortical plate; heart, liver, hippocampus and pancreas as out-of-distribution",
        {
            "spectral_signature": (1.00, 1.00, 1.00, 1.00),
            "unc_dropout": (0.64, 0.60, 0.78, 0.65),
            "unc_ensemble": (0.80, 0.88, 0.71, 0.76),
            "outlier_exposure": (0.83, 0.83, 0.85, 0.85),
            "lee_gan": (0.76, 0.70, 0.80, 0.77),
            "odin": (0.70, 0.71, 0.70, 0.73),
            "mah_dist": (0.78, 0.77, 0.78, 0.75),
        },
    ),
    *_karimi(
        "VIII",
        "liver MRI, DUAL; SPIR as out-of-distribution",
        {
            "spectral_signature": (1.00, 1.00, 1.00, 1.00),
            "unc_dropout": (0.64, 0.61, 0.60, 0.65),
            "unc_ensemble": (0.82, 0.81, 0.84, 0.84),
            "outlier_exposure": (0.80, 0.84, 0.75, 0.82),
            "lee_gan": (0.77, 0.78, 0.74, 0.78),
            "odin": (0.60, 0.55, 0.62, 0.59),
            "mah_dist": (0.66, 0.74, 0.60, 0.70),
        },
    ),
    *_zenk(("pairwise_dice_ensemble",), 0.240, 0.118),
    *_zenk(("pairwise_dice_dropout",), 0.251, 0.128),
    # A random forest on simple entropy, size and count of components, the heir of the 2021 quality model.
    *_zenk(("forest",), 0.272, 0.131),
    *_zenk(("mahalanobis",), 0.285, 0.150),
    *_zenk(("mean_entropy",), 0.365, 0.148),
    *_zenk(("mask_autoencoder_pdc",), 0.374, 0.193),
    *_quality("logistic_regression", 0.63, 0.76),
    *_quality("svm", 0.38, 0.68),
    *_quality("ridge", 0.38, 0.14),
    *_quality("svr", 0.13, 0.35),
    *_quality("mlp", 0.25, 0.35),
    PaperNumber(
        ("segmentation_distortion",),
        "Lennartz and Schultz 2023, Fig. 3 and 4",
        "ACDC to M&Ms and CC-359, real scanners",
        {},
        says="rank correlation with 1 - Dice above mean entropy in almost all cases; printed as a figure only",
        difference=SCANNER_DIFFERENCE,
    ),
    PaperNumber(
        ("latent_mahalanobis",),
        "Lennartz and Schultz 2023, Fig. 3 and 4",
        "ACDC to M&Ms and CC-359, real scanners",
        {},
        says="rank correlation usually between pooled Mahalanobis and segmentation distortion; a figure only",
        difference=SCANNER_DIFFERENCE,
    ),
    PaperNumber(
        ("pooled_mahalanobis",),
        "Lennartz and Schultz 2023, Fig. 3 and 4",
        "ACDC to M&Ms and CC-359, real scanners",
        {},
        says="tells another scanner best and correlates weakly with the error; printed as a figure only",
        difference=SCANNER_DIFFERENCE,
    ),
)


def numbers_of(method: str) -> Sequence[PaperNumber]:
    """Everything the papers report of a method, in the order of the list; empty where there is nothing."""
    return tuple(number for number in NUMBERS if method in number.methods)


def cell(method: str, measures: Sequence[str], sources: Sequence[str] = ("",)) -> str:
    """The papers' values of some measures of a method, for one cell of a table; "" where there is none.

    Each paper in turn; several of its tables are given as a range, lowest to highest.

    Args:
        sources: how the names of the papers to look at begin; "" for all.
    """
    papers: dict[str, dict[str, list[float]]] = {}
    for told in numbers_of(method):
        if told.source.startswith(tuple(sources)):
            of_paper = papers.setdefault(told.source.partition(",")[0], {})
            for name in measures:
                of_paper.setdefault(name, []).extend([told.measures[name]] if name in told.measures else [])
    return "; ".join(_told(paper, found) for paper, found in papers.items() if any(found.values()))


def _told(paper: str, found: Mapping[str, list[float]]) -> str:
    ranges = {name: (min(values), max(values)) for name, values in found.items() if values}
    parts = (
        f"{name.replace('_', ' ')} {low:.3g}" + ("" if low == high else f" to {high:.3g}")
        for name, (low, high) in ranges.items()
    )
    return f"{', '.join(parts)} ({paper})"
