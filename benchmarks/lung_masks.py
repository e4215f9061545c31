"""How good the threshold lung masks are: on real CT, and with dense disease painted where it hides best.

    SEGWATCH_DATA=<folder> python -m benchmarks.lung_masks [--backend threshold]

Compared with: real lung masks (small_chest_ct), a plain threshold that cuts consolidation out (chest_ct; a weak
reference, so "kept" is the figure to read), and lungs found before muscle-dense tissue was painted over their hindmost
or outermost centimetres. Few patients: examples, not estimates.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hospital_agent.analysis.imaging.lungs import LungBackend, lung_backends
from hospital_agent.analysis.imaging.volume import BoolArray, Triple, Volume
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.ingest.series import Series, read_series

CHESTS = ("lidc0001", "lidc0003", "lungdx_A0001_kB", "lungdx_A0001_kL", "lungdx_A0002_B40f", "ricord1A_000082")
SERIES = ("dicom/lungdx_A0002_B40f", "dicom/ricord1A_000082_every4th")
LIMBS = ("STS_001", "STS_002")
PAINTED = ("lidc0001", "lidc0003", "lungdx_A0001_kB", "ricord1A_000082")
MUSCLE_HU, NOISE_HU = 30, 20


def inputs(data: Path) -> Iterator[tuple[Path, Path | None, str]]:
    """Every image, its reference where it has one, and what that is."""
    for name in ("id001", "id002", "id003"):
        yield data / f"small_chest_ct/images/{name}.nii.gz", data / f"small_chest_ct/lungs/{name}.nii.gz", "lung mask"
    for name in CHESTS:
        weak = data / f"chest_ct_lungs_threshold/{name}.nii.gz"
        yield data / f"chest_ct/{name}.nii.gz", weak if weak.exists() else None, "plain threshold"
    yield data / "lung_tumour_ct/image.nii.gz", data / "lung_tumour_ct/mask.nii.gz", "tumour"
    for folder in SERIES:
        yield data / folder, None, ""
    for name in LIMBS:
        yield data / f"sarcoma_ct/images/{name}.nii.gz", None, "a limb: none expected"


def print_real(backend: LungBackend, data: Path) -> None:
    """One row an image: volume found, processor time, agreement with its reference."""
    print(f"{'image':<30}{'found ml':>9}{'cpu s':>7}{'Dice':>7}{'kept':>7}  reference")
    for path, reference, kind in inputs(data):
        series = read_series(path)
        found, seconds = timed_find(backend, series.volume)
        row = f"{path.name.removesuffix('.nii.gz'):<30}"
        row += f"{'none':>9}" if found is None else f"{found.sum() * series.volume.voxel_ml:9.0f}"
        print(f"{row}{seconds:7.1f}{agreement(series, found, reference)}  {kind}")


def agreement(series: Series, found: BoolArray | None, reference: Path | None) -> str:
    """Dice with the reference, and the share of it that lies inside."""
    if found is None or reference is None:
        return f"{'':>14}"
    truth = series.read_mask(reference)
    return f"{dice(found, truth) or 0:7.3f}{(found & truth).sum() / truth.sum():7.3f}"


def timed_find(backend: LungBackend, volume: Volume) -> tuple[BoolArray | None, float]:
    """Lungs and the processor time that they took."""
    begun = time.process_time()
    return backend.find(volume), time.process_time() - begun


def painted(lungs: BoolArray, spacing_mm: Triple) -> Iterator[tuple[str, BoolArray]]:
    """Where disease is painted: along the back of the lower lungs, and along one side in the middle."""
    z, _, x = (np.flatnonzero(lungs.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    height = np.arange(lungs.shape[0])[:, None, None]
    low = height < z[0] + 0.55 * (z[-1] - z[0])
    middle = (height > z[0] + 0.3 * (z[-1] - z[0])) & (height < z[0] + 0.8 * (z[-1] - z[0]))
    depth = np.where(lungs.any(axis=1), lungs.shape[1] - 1 - lungs[:, ::-1].argmax(axis=1), -(10**6))[:, None, :]
    row = np.arange(lungs.shape[1])[None, :, None]
    for mm in (20, 40):
        yield f"hindmost {mm} mm, lower half", lungs & low & (row >= depth - mm / spacing_mm[1])
    side = np.where(lungs.any(axis=2), lungs.argmax(axis=2), 10**6)[:, :, None]
    column = np.arange(lungs.shape[2])[None, None, :]
    right = column < (x[0] + x[-1]) / 2
    yield "outermost 30 mm, right", lungs & middle & right & (column <= side + 30 / spacing_mm[2])


def print_painted(backend: LungBackend, data: Path) -> None:
    """One row a painting: how much of it stays inside, and what the lungs have grown beyond themselves."""
    print(f"\n{'painted with muscle density':<46}{'ml':>6}{'kept':>7}{'Dice':>7}{'beyond ml':>11}")
    random = np.random.default_rng(0)
    for name in PAINTED:
        volume = read_series(data / f"chest_ct/{name}.nii.gz").volume
        lungs = backend.find(volume)
        for place, disease in () if lungs is None else painted(lungs, volume.spacing_mm):
            array = volume.array.astype(np.float32)
            array[disease] = MUSCLE_HU + random.normal(0, NOISE_HU, int(disease.sum()))
            found = backend.find(Volume(array, volume.spacing_mm))
            if found is None or lungs is None:
                print(f"{name + ', ' + place:<46}   no lungs found")
                continue
            kept, beyond = (found & disease).sum() / disease.sum(), (found & ~lungs).sum() * volume.voxel_ml
            ml = disease.sum() * volume.voxel_ml
            print(f"{name + ', ' + place:<46}{ml:6.0f}{kept:7.2f}{dice(found, lungs) or 0:7.3f}{beyond:11.0f}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="threshold")
    data = Path(os.environ.get("SEGWATCH_DATA", ""))
    if not (data / "chest_ct").is_dir():
        sys.exit("Set SEGWATCH_DATA to the folder with the images.")
    backend = lung_backends.load("hospital_agent.analysis.imaging.lungs").get(parser.parse_args().backend)()
    print_real(backend, data)
    print_painted(backend, data)


if __name__ == "__main__":
    main()
