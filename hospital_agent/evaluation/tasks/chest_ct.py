"""Lung lesions inserted into chest CT, where the truth is exact: new vendors, kernels, slices, doses, textures; limbs.

The networks are those of `make train`, each of which never saw one patient; that patient is tested by it alone. Four
patients are what the licences of the development data allow to train on, so every number here is an example and no
estimate. Methods of several passes are left out: ten passes over a whole chest take minutes without a GPU.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.scoring import Scorer, fit_reference
from hospital_agent.evaluation.tasks import Example, Labels, Parts, Setting, Subject, tasks
from hospital_agent.evaluation.tasks.reading import read_labelled
from hospital_agent.simulation.hosts import Host, phantom_host
from hospital_agent.simulation.lesions import TEST_ONLY_FAMILIES, TRAINING_FAMILIES
from hospital_agent.simulation.patient import simulate_patient
from hospital_agent.simulation.scanner import Scanner
from hospital_agent.training.hosts_on_disk import load_host, shippable_hosts
from hospital_agent.training.networks import Pools
from hospital_agent.training.recipe import QUICK, Recipe
from hospital_agent.training.run import Run

FIRST_PHANTOM = 3000  # no training run has used these seeds
PHANTOMS = 3  # of validation, and as many of the test, for every left-out patient
UNKNOWN_TO_ALL = "ricord1A_000082"  # its licence keeps it out of every training
VENDOR = {"lidc0001": "GE", "lidc0003": "GE", "lungdx_A0001": "Philips", "lungdx_A0002": "Siemens"}
NEW_VENDOR, LIMBS = Condition("new_vendor", 1), Condition("limbs", 1)
SCANNERS = {
    Condition("kernel", 1): {"kernel": "soft"},
    Condition("kernel", 2): {"kernel": "sharp"},
    Condition("dose", 1): {"dose": 0.2},
    Condition("dose", 2): {"dose": 0.08},
    Condition("dose", 3): {"dose": 0.02},
    Condition("thickness", 1): {"slice_mm": 6.0},
    Condition("thickness", 2): {"slice_mm": 8.0},
    Condition("thickness", 3): {"slice_mm": 10.0},
    Condition("texture", 1): {},
}
REFERENCE_COPIES, REFERENCE_PHANTOMS = 2, 16
QUICK_STRENGTH = {"kernel": 2, "dose": 3, "thickness": 3, "texture": 1}


@dataclass(frozen=True, eq=False)
class HostExample(Example):
    """A chest that receives lesions."""

    host: Host | None = None


@dataclass(frozen=True)
class ChestCt:
    """See the module's text.

    Args:
        quick: analytic chests alone, a network of some steps: for trying the way.
    """

    quick: bool = False
    name: str = "chest_ct"
    label_names: Sequence[str] = ("lesion",)
    members: int = 1
    several_passes: bool = False
    training: str = "as in `make train`, one network for every left-out patient"

    def conditions(self, example: Example) -> tuple[Condition, ...]:
        """As it is, a vendor that no network of the fold has seen, and every kind of scanner; limbs are limbs."""
        if not isinstance(example, HostExample):
            return (LIMBS,)
        if example.patient == UNKNOWN_TO_ALL:
            return (NEW_VENDOR,)
        alone = sum(vendor == VENDOR.get(example.patient) for vendor in VENDOR.values()) == 1
        if alone:
            return (NEW_VENDOR,)
        return (Condition(), *(one for one in SCANNERS if not self.quick or one.strength == QUICK_STRENGTH[one.family]))

    def under(self, example: Example, condition: Condition, seed: int) -> Subject:  # noqa: ARG002 - one draw a case
        """The host with the same lesions under every condition; other textures under `texture`."""
        if not isinstance(example, HostExample) or example.host is None:
            volume, labels = example.content
            return Subject(example.patient, example.name, volume, labels, 1)
        rng = np.random.default_rng([zlib.crc32(example.name.encode()), 5])
        patient = simulate_patient(
            example.host,
            Scanner(**SCANNERS.get(condition, {})),  # type: ignore[arg-type]
            rng,
            lesion_count=int(rng.integers(2, 7)),
            families=TEST_ONLY_FAMILIES if condition.family == "texture" else TRAINING_FAMILIES,
        )
        labels = (patient.truth & ~patient.ignore).astype(np.uint8)
        return Subject(example.patient, example.name, patient.volume, labels, 1, patient.lungs, patient.ignore)

    def experiment(self, setting: Setting, seed: int) -> "ChestExperiment":
        """The seed says which patient is left out."""
        return ChestExperiment(setting, seed, quick=self.quick)

    def companions(self) -> Mapping[str, str]:
        """`make train` trains none."""
        return {}

    def fingerprint(self) -> Any:
        """The scanners and the size of the reference."""
        told = [[asdict(condition), scanner] for condition, scanner in SCANNERS.items()]
        return [self.name, told, PHANTOMS, REFERENCE_COPIES, REFERENCE_PHANTOMS, self.quick]


class ChestExperiment:
    """One left-out patient tests, with limbs, new phantoms and a patient no network knows; the others validate.

    Every real patient is scored by the network that never saw them, in validation too.
    """

    def __init__(self, setting: Setting, seed: int, *, quick: bool = False) -> None:
        self.setting, self.quick = setting, quick
        self.hosts = [] if quick else shippable_hosts(setting.data)
        patients = sorted(VENDOR)
        if seed >= len(patients):
            raise TooFewCases(
                f"There are {len(patients)} patients to leave out, so seeds go from 0 to {len(patients) - 1}."
            )
        self.left_out = patients[seed]
        examples = [host_example(host) for host in self.hosts]
        unknown = setting.data / "chest_ct" / f"{UNKNOWN_TO_ALL}.nii.gz"
        first = FIRST_PHANTOM + 2 * PHANTOMS * seed
        phantoms = [host_example(phantom_host(first + number)) for number in range(2 * PHANTOMS)]
        self.parts = Parts(
            train=[],
            validation=[one for one in examples if one.patient != self.left_out] + phantoms[:PHANTOMS],
            test=[one for one in examples if one.patient == self.left_out]
            + phantoms[PHANTOMS:]
            + ([host_example(load_host(unknown, UNKNOWN_TO_ALL))] if unknown.exists() and not quick else [])
            + _limbs(setting.data)
            + ([] if setting.test_data is None else _limbs(setting.test_data)),
        )
        self._scorers: dict[str, Scorer] = {}

    def cache_name(self, example: Example) -> str:
        """By the patient whom the scoring network never saw."""
        return f"without-{self._fold(example)}"

    def scorer(self, example: Example) -> Scorer:
        """The network of the fold with a reference of its own."""
        fold = self._fold(example)
        if fold not in self._scorers:
            network = self._run.network_without(fold)
            segmenter = BundledSegmenter(
                network,
                self._run.recipe.grid,
                version=f"without-{fold}",
                model_hash="0" * 64,
                device=self.setting.device,
            )
            self._scorers[fold] = Scorer("chest_ct", [segmenter], fit_reference(self._training(segmenter, fold)), 0)
        return self._scorers[fold]

    def _fold(self, example: Example) -> str:
        return example.patient if example.patient in VENDOR else self.left_out

    @cached_property
    def _run(self) -> Run:
        recipe = QUICK if self.quick else Recipe()
        return Run(recipe, self.hosts, self.setting.networks or self.setting.out / "networks")

    def _training(self, segmenter: BundledSegmenter, fold: str) -> Iterator[tuple[str, Segmentation]]:
        pools: Pools = self._run.pools
        real = [one for i, one in enumerate(pools.real) if i % pools.copies < REFERENCE_COPIES and one.patient != fold]
        items = real + pools.phantoms[:REFERENCE_PHANTOMS]
        grid = self._run.recipe.grid
        for item in tqdm(items, desc=f"without {fold}: reference", unit="image", mininterval=5):
            yield item.patient, segmenter.segment(Volume(item.image_hu, grid.spacing_mm))


def host_example(host: Host, name: str | None = None) -> HostExample:
    """A host as an example; every name draws lesions of its own."""

    def read() -> tuple[Volume, Labels]:
        return Volume(host.image_hu, host.spacing_mm), np.zeros(host.image_hu.shape, dtype=np.uint8)

    return HostExample(host.patient, name or host.name, read, host)


def _limbs(data: Path) -> list[Example]:
    """Far away from any chest; there is no lesion of the lung to find."""

    def example(path: Path, mask: Path) -> Example:
        def read() -> tuple[Volume, Labels]:
            volume, _ = read_labelled(path, mask, "CT")
            return volume, np.zeros(volume.shape, dtype=np.uint8)

        name = path.name.removesuffix(".nii.gz")
        return Example(name, name, read)

    images = sorted((data / "sarcoma_ct" / "images").glob("*.nii.gz"))
    return [example(path, data / "sarcoma_ct" / "masks" / path.name) for path in images]


tasks.register("chest_ct")(ChestCt())
