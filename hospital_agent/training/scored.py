"""Cases with known Dice, scored exactly as at a hospital: what the model card and the quality model are made from."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from hospital_agent.analysis.features import features
from hospital_agent.analysis.imaging.lungs import lung_backends
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood import OodScore
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.pipeline import analyse_case
from hospital_agent.simulation.hosts import Host
from hospital_agent.simulation.lesions import TEST_ONLY_FAMILIES, TRAINING_FAMILIES
from hospital_agent.simulation.patient import SimulatedPatient, draw_lesion_count, simulate_patient
from hospital_agent.simulation.scanner import KERNELS, Scanner
from hospital_agent.toolkit import Toolkit
from hospital_agent.training.recipe import Recipe

Outcome = Literal["segmented", "true_empty", "missed_all", "false_only"]
NOT_SHIPPED = "0" * 64


@dataclass(frozen=True)
class ScoredCase:
    """One simulated case, what a network made of it, and how good that is.

    Args:
        patient, volume: whom and which scan the host shows; kind: "real" or "phantom" host.
        unseen_texture: whether the lesions are of the families kept for testing.
        kernel, dose, slice_mm: the scanner.
        lesion_ml, predicted_ml: true and predicted volume outside what is ignored.
        dice: outside what is ignored; None where reference and mask are both empty, 0 where one of them is.
        outcome: the four cases of empty and not empty.
        empty: whether the whole mask is empty.
        values: every score by its name.
    """

    patient: str
    volume: str
    kind: Literal["real", "phantom"]
    unseen_texture: bool
    kernel: str
    dose: float
    slice_mm: float
    lesion_ml: float
    predicted_ml: float
    dice: float | None
    outcome: Outcome
    empty: bool
    values: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """For the run's folder."""
        return asdict(self)


def toolkit_for(
    recipe: Recipe, network: UNet, ood: dict[str, OodScore], validation: dict[str, ValidationRange]
) -> Toolkit:
    """The agent's own toolkit around a network in training; without a quality model, which is still to be made."""
    segmenter: Segmenter = BundledSegmenter(
        network, recipe.grid, version="training", model_hash=NOT_SHIPPED, device="auto"
    )
    return Toolkit(
        segmenter=segmenter,
        lungs=lung_backends.load("hospital_agent.analysis.imaging.lungs").get("threshold")(),
        lungs_backend="threshold",
        features={name: unit() for name, unit in features.load("hospital_agent.analysis.features").items()},
        uncertainty={
            name: unit() for name, unit in uncertainty_scores.load("hospital_agent.analysis.uncertainty").items()
        },
        ood=ood,
        validation=validation,
    )


def score_hosts(toolkit: Toolkit, hosts: Sequence[Host], copies: int, seed: int) -> list[ScoredCase]:
    """`copies` simulated patients of each host, on scanners wider than those of training, every second one with
    textures that training never saw."""
    work = [(host, copy) for host in hosts for copy in range(copies)]
    bar = tqdm(work, desc="scoring left-out cases", unit="case", mininterval=5)
    return [_score(toolkit, host, *_simulate(host, copy, seed)) for host, copy in bar]


def _simulate(host: Host, copy: int, seed: int) -> tuple[SimulatedPatient, bool]:
    rng = np.random.default_rng([seed, 77, copy, *host.name.encode()])
    unseen = copy % 2 == 1
    families = TEST_ONLY_FAMILIES if unseen else TRAINING_FAMILIES
    scanner = _wide_scanner(rng, host.spacing_mm[0])
    count = draw_lesion_count(rng, healthy_fraction=0.15)
    return simulate_patient(host, scanner, rng, lesion_count=count, families=families), unseen


def _wide_scanner(rng: np.random.Generator, thinnest_mm: float) -> Scanner:
    """From the mildest to what no protocol would allow, so that the quality model sees failures."""
    kernel = KERNELS[int(rng.integers(len(KERNELS)))]
    dose = float(np.exp(rng.uniform(np.log(0.05), np.log(2.0))))
    thick = float(rng.choice([0.0, 0.0, 5.0, 8.0, 10.0]))
    return Scanner(kernel, dose, thick if thick > thinnest_mm else None)


def _score(toolkit: Toolkit, host: Host, case: SimulatedPatient, unseen: bool) -> ScoredCase:
    result = analyse_case(case.volume, toolkit)
    mask = result.segmentation.mask
    dice, outcome = dice_outside(mask, case.truth, case.ignore)
    return ScoredCase(
        patient=host.patient,
        volume=host.name,
        kind="phantom" if host.clean else "real",
        unseen_texture=unseen,
        kernel=case.scanner.kernel,
        dose=case.scanner.dose,
        slice_mm=case.volume.spacing_mm[0],
        lesion_ml=float(case.truth.sum()) * case.volume.voxel_ml,
        predicted_ml=float((mask & ~case.ignore).sum()) * case.volume.voxel_ml,
        dice=dice,
        outcome=outcome,
        empty=result.empty,
        values=result.values,
    )


def dice_outside(
    mask: "np.ndarray[Any, np.dtype[np.bool_]]",
    truth: "np.ndarray[Any, np.dtype[np.bool_]]",
    ignore: "np.ndarray[Any, np.dtype[np.bool_]]",
) -> tuple[float | None, Outcome]:
    """Dice over the voxels that are known, by the rules for empty masks (methods, A2)."""
    mask, truth = mask & ~ignore, truth & ~ignore
    if not mask.any() and not truth.any():
        return None, "true_empty"
    if not mask.any():
        return 0.0, "missed_all"
    if not truth.any():
        return 0.0, "false_only"
    return 2.0 * float((mask & truth).sum()) / float(mask.sum() + truth.sum()), "segmented"


def validation_ranges(toolkit: Toolkit, volumes: Iterator[Volume] | Sequence[Volume]) -> dict[str, ValidationRange]:
    """Smallest, median and largest value of every uncertainty and OOD score over in-distribution cases."""
    seen: dict[str, list[float]] = {}
    for volume in tqdm(list(volumes), desc="validation ranges", unit="case", mininterval=5):
        result = analyse_case(volume, toolkit)
        for name, value in {**result.uncertainty, **result.ood}.items():
            if value is not None:
                seen.setdefault(name, []).append(value)
    return {name: ValidationRange(min(v), float(np.median(v)), max(v)) for name, v in seen.items()}
