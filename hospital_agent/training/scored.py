"""Cases with known Dice, scored exactly as at a hospital: what the model card and the quality model are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from hospital_agent.analysis.features import features
from hospital_agent.analysis.imaging.lungs import lung_backends
from hospital_agent.analysis.imaging.volume import BoolArray, Volume
from hospital_agent.analysis.metrics.dice import Agreement, absolute_volume_error_ml, agreement, dice
from hospital_agent.analysis.metrics.surface import surface_dice
from hospital_agent.analysis.normalise import ValidationRange, log_ratios, normalised
from hospital_agent.analysis.ood import OodScore, ood_scores
from hospital_agent.analysis.segmentation.base import Segmentation, Segmenter
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.pipeline import analyse_case
from hospital_agent.simulation.hosts import Host
from hospital_agent.simulation.lesions import TEST_ONLY_FAMILIES, TRAINING_FAMILIES
from hospital_agent.simulation.patient import SimulatedPatient, cleared, draw_lesion_count, simulate_patient
from hospital_agent.simulation.scanner import KERNELS, Scanner
from hospital_agent.toolkit import Toolkit
from hospital_agent.training.recipe import Recipe

NOT_SHIPPED = "0" * 64
LEAST_TRAINING_DOSE, THICKEST_TRAINING_SLICE_MM = 0.4, 6.0  # see `simulation.scanner.draw_scanner`


@dataclass(frozen=True)
class ScoredCase:
    """One simulated case, what a network made of it, and how good that is, all outside the host's own lesions.

    Args:
        patient, volume: whom and which scan the host shows; kind: "real" or "phantom" host.
        unseen_texture: whether the lesions are of the families kept for testing.
        kernel, dose, slice_mm: the scanner.
        lesion_ml, predicted_ml, volume_error_ml: true and predicted volume, and their distance.
        ignored_ml: what was predicted inside the host's own lesions, of which nothing is known, and left out.
        dice, surface_dice: None where reference and mask are both empty, 0 where one of them is; surface Dice at 3 mm.
        outcome: the four cases of empty and not empty.
        values: every score by its name, without those that need a validation range.
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
    volume_error_ml: float
    ignored_ml: float
    dice: float | None
    surface_dice: float | None
    outcome: Agreement
    values: dict[str, float | None]

    @property
    def empty(self) -> bool:
        """Whether nothing was segmented."""
        return self.predicted_ml == 0

    def to_json(self) -> dict[str, Any]:
        """For the run's folder."""
        return asdict(self)


class OnlyWhereKnown:
    """A segmenter that says nothing inside the lesions that a host brought along.

    The Dice of a case is known outside them alone; the scores must describe the same mask, or the quality model would
    learn from features of one mask and the Dice of another.
    """

    def __init__(self, segmenter: Segmenter, ignore: BoolArray) -> None:
        self.segmenter, self.ignore = segmenter, ignore
        self.ignored_ml = 0.0

    def segment(self, volume: Volume) -> Segmentation:
        """Segment the volume, then clear mask and probability where nothing is known."""
        found = self.segmenter.segment(volume)
        self.ignored_ml = float((found.mask & self.ignore).sum()) * volume.voxel_ml
        return cleared(found, self.ignore, volume)


def toolkit_for(recipe: Recipe, network: UNet, ood: dict[str, OodScore]) -> Toolkit:
    """The agent's own toolkit around a network in training; no validation ranges and no quality model exist yet."""
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
    assert toolkit.segmenter is not None  # noqa: S101 - `toolkit_for` always gives one
    known = OnlyWhereKnown(toolkit.segmenter, case.ignore)
    result = analyse_case(case.volume, replace(toolkit, segmenter=known))
    mask, truth, voxel_ml = result.segmentation.mask, case.truth & ~case.ignore, case.volume.voxel_ml
    return ScoredCase(
        patient=host.patient,
        volume=host.name,
        kind="phantom" if host.clean else "real",
        unseen_texture=unseen,
        kernel=case.scanner.kernel,
        dose=case.scanner.dose,
        slice_mm=case.volume.spacing_mm[0],
        lesion_ml=float(truth.sum()) * voxel_ml,
        predicted_ml=float(mask.sum()) * voxel_ml,
        volume_error_ml=absolute_volume_error_ml(mask, truth, voxel_ml),
        ignored_ml=known.ignored_ml,
        dice=dice(mask, truth),
        surface_dice=surface_dice(mask, truth, case.volume.spacing_mm),
        outcome=agreement(mask, truth),
        values=result.values,
    )


def validation_ranges(cases: Sequence[ScoredCase]) -> dict[str, ValidationRange]:
    """The scale of every uncertainty and OOD score: what it was on people whom the scoring network had never seen.

    Copies of a training patient would not do: the reference was fitted on that very anatomy, and a new patient lies
    many times as far away. Smallest and largest are over all left-out cases on scanners like those of training; the
    median is that of the real patients, each counted once, since hospitals have no phantoms.
    """
    usual = [case for case in cases if case.dose >= LEAST_TRAINING_DOSE and case.slice_mm <= THICKEST_TRAINING_SLICE_MM]
    real = [case for case in usual if case.kind == "real"] or usual
    ranges = {}
    for name in (*_uncertainty_names(), *_ood_names()):
        every = [value for case in usual if (value := case.values.get(name)) is not None]
        by_patient: dict[str, list[float]] = {}
        for case in real:
            if (value := case.values.get(name)) is not None:
                by_patient.setdefault(case.patient, []).append(value)
        if by_patient:
            middle = float(np.median([np.median(values) for values in by_patient.values()]))
            ranges[name] = ValidationRange(min(every), middle, max(every))
    return ranges


def on_scale(case: ScoredCase, ranges: Mapping[str, ValidationRange]) -> dict[str, float | None]:
    """All values of a case, with those that need a validation range, as the agent would give them."""
    ood = {name: case.values[name] for name in _ood_names() if name in case.values}
    uncertainty = {name: case.values[name] for name in _uncertainty_names() if name in case.values}
    return {
        **case.values,
        **normalised(uncertainty, ranges),
        **log_ratios(ood, ranges),
        **normalised(ood, ranges),
    }


def _uncertainty_names() -> tuple[str, ...]:
    return uncertainty_scores.load("hospital_agent.analysis.uncertainty").names()


def _ood_names() -> tuple[str, ...]:
    return ood_scores.load("hospital_agent.analysis.ood").names()
