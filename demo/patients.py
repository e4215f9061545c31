"""Who comes to the three hospitals of the demo, and on which scanner they are imaged."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hospital_agent.analysis.imaging.resample import resample, spacing_of
from hospital_agent.analysis.imaging.volume import BoolArray, FloatArray, Triple, Volume
from hospital_agent.simulation.hosts import Host, phantom_host
from hospital_agent.simulation.patient import SimulatedPatient, draw_lesion_count, simulate_patient
from hospital_agent.simulation.scanner import Scanner

HEALTHY_FRACTION = 0.55
LARGEST_AXIS = 96


@dataclass(frozen=True)
class Site:
    """A hospital of the demo: its name on the wire, its title for people, and its scanner."""

    name: str
    title: str
    scanner: Scanner


SITES = (
    Site("northfield", "Northfield General", Scanner("standard", dose=1.0, slice_mm=None)),
    Site("riverside", "Riverside Hospital", Scanner("soft", dose=0.8, slice_mm=None)),
    Site("westbrook", "Westbrook Clinic", Scanner("standard", dose=1.3, slice_mm=None)),
)
CHANGED_SITE = "riverside"
CHANGED_SCANNER = Scanner("sharp", dose=0.02, slice_mm=10.0)


class PatientStream:
    """Patients of one site, numbered; the same number is always the same patient."""

    def __init__(self, site: Site, hosts: tuple[Host, ...] = (), seed: int = 1) -> None:
        self.site, self.hosts, self.seed = site, hosts, seed

    def patient(self, number: int, scanner: Scanner) -> SimulatedPatient:
        """The patient with this number, imaged by this scanner."""
        rng, host_seed, lesion_count = self._drawn(number)
        host = self.hosts[host_seed % len(self.hosts)] if self.hosts else phantom_host(host_seed)
        return simulate_patient(host, scanner, rng, lesion_count=lesion_count)

    def is_healthy(self, number: int) -> bool:
        """Whether the patient with this number has no lesion."""
        return self._drawn(number)[2] == 0

    def _drawn(self, number: int) -> tuple[np.random.Generator, int, int]:
        """The patient's own generator, the seed of their chest, and how many lesions they have."""
        rng = np.random.default_rng([self.seed, number, *self.site.name.encode()])
        return rng, int(rng.integers(2**31)), draw_lesion_count(rng, HEALTHY_FRACTION)


def hosts_from(folder: Path) -> tuple[Host, ...]:
    """Real chest CT under a folder (NIfTI) as hosts, made small: at most 96 voxels along every axis.

    Raises:
        ValueError: the folder holds no chest CT with lungs.
    """
    from hospital_agent.training.hosts_on_disk import load_host
    from shared.errors import MonitoringError

    hosts = []
    for path in sorted(folder.glob("*.nii.gz")) + sorted(folder.glob("*.nii")):
        try:
            hosts.append(_small(load_host(path, patient=path.name)))
        except MonitoringError:
            continue
    if not hosts:
        raise ValueError(f"No chest CT with lungs was found in '{folder.name}'; hosts are NIfTI volumes in HU.")
    return tuple(hosts)


def _small(host: Host) -> Host:
    """The same chest on at most 96 voxels an axis, no finer than 3 mm."""
    lengths = [n * s for n, s in zip(host.image_hu.shape, host.spacing_mm, strict=True)]
    z, y, x = (max(step, 3.0, length / LARGEST_AXIS) for step, length in zip(host.spacing_mm, lengths, strict=True))
    target: Triple = (z, y, x)
    image: FloatArray = resample(host.image_hu, host.spacing_mm, target)
    masks: list[BoolArray] = [resample(mask, host.spacing_mm, target) >= 0.5 for mask in (host.lungs, host.ignore)]
    spacing = spacing_of(host.image_hu.shape, host.spacing_mm, image.shape)
    return replace(host, image_hu=image, spacing_mm=spacing, lungs=masks[0], ignore=masks[1])


def as_int16(volume: Volume) -> Volume:
    """The volume with whole HU, as DICOM stores it."""
    return replace(volume, array=np.rint(volume.array).astype(np.int16))
