"""A simulated patient: a host, lesions and a scanner, with exact truth."""

from dataclasses import dataclass, replace

import numpy as np

from hospital_agent.analysis.imaging.resample import resample
from hospital_agent.analysis.imaging.volume import BoolArray, Volume
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.distortion import cleared_distortion
from hospital_agent.simulation.hosts import Host
from hospital_agent.simulation.lesions import TRAINING_FAMILIES, Family, Lesion, draw_lesions, insert_lesions
from hospital_agent.simulation.scanner import Scanner, acquire, average_slices


@dataclass(frozen=True, eq=False)
class SimulatedPatient:
    """What a scanner would deliver of a host with lesions, and what is true of it.

    Args:
        volume: the image.
        truth: (Z, Y, X) bool, voxels at least half covered by an inserted lesion.
        ignore: (Z, Y, X) bool, lesions the host had before, of which nothing is known.
        lungs: (Z, Y, X) bool.
        lesions, scanner: what was drawn.
    """

    volume: Volume
    truth: BoolArray
    ignore: BoolArray
    lungs: BoolArray
    lesions: tuple[Lesion, ...]
    scanner: Scanner


def simulate_patient(
    host: Host,
    scanner: Scanner,
    rng: np.random.Generator,
    *,
    lesion_count: int,
    families: tuple[Family, ...] = TRAINING_FAMILIES,
) -> SimulatedPatient:
    """Insert lesions into the host and image it with the scanner."""
    lesions = draw_lesions(rng, host.lungs & ~host.ignore, host.spacing_mm, lesion_count, families)
    body, covered = insert_lesions(host.image_hu, host.lungs, host.spacing_mm, lesions)
    image, spacing = acquire(body, host.spacing_mm, scanner, rng, clean=host.clean)
    shares = (covered, host.ignore.astype(np.float32), host.lungs.astype(np.float32))
    if spacing != host.spacing_mm:
        shares = tuple(average_slices(share, host.spacing_mm, spacing[0])[0] for share in shares)  # type: ignore[assignment]
    truth, ignore, lungs = (share >= 0.5 for share in shares)
    return SimulatedPatient(Volume(image, spacing), truth, ignore & ~truth, lungs, lesions, scanner)


def cleared(found: Segmentation, ignore: BoolArray, volume: Volume) -> Segmentation:
    """A segmentation that says nothing where nothing is known: mask, labels and probabilities are background there.

    Args:
        ignore: (Z, Y, X) bool on the volume's grid.
    """
    labels = None if found.labels is None else np.where(ignore, np.uint8(0), found.labels)
    mask = found.mask & ~ignore
    if found.probability is None or found.working_spacing_mm is None:
        return replace(found, mask=mask, labels=labels)
    unknown = resample(ignore.astype(np.float32), volume.spacing_mm, found.working_spacing_mm) >= 0.5
    probability = np.where(unknown, np.float32(0.0), found.probability)
    softmax = found.class_probabilities
    if softmax is not None:
        background = np.zeros((softmax.shape[0], 1, 1, 1), dtype=np.float32)
        background[0] = 1.0
        softmax = np.where(unknown, background, softmax)
    distortion = found.distortion
    if distortion is not None:
        seen = probability > 0.5 if softmax is None else softmax.argmax(axis=0) > 0
        distortion = cleared_distortion(distortion, unknown, seen, found.working_spacing_mm)
    return replace(
        found, mask=mask, labels=labels, probability=probability, class_probabilities=softmax, distortion=distortion
    )


def draw_lesion_count(rng: np.random.Generator, healthy_fraction: float) -> int:
    """0 for a healthy patient, else 1 to 8."""
    return 0 if rng.random() < healthy_fraction else int(rng.integers(1, 9))
