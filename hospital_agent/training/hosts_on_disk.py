"""Chest CT on disk as hosts: which volumes may be trained on, whom they show, and their lungs."""

from pathlib import Path

from hospital_agent.analysis.imaging.lungs import lung_backends
from hospital_agent.ingest.series import read_series
from hospital_agent.simulation.hosts import Host, real_host
from shared.errors import MonitoringError

lung_backends.load("hospital_agent.analysis.imaging.lungs")


class NoLungs(MonitoringError, ValueError):
    """A volume without lungs was offered as a host."""


# Volumes of the development data whose licence lets their derivatives be shipped (LIDC CC BY 3.0, Lung-PET-CT-Dx
# CC BY 4.0), and the patient each shows. RICORD is CC BY-NC: never a source of shipped weights.
SHIPPABLE: dict[str, str] = {
    "lidc0001": "lidc0001",
    "lidc0003": "lidc0003",
    "lungdx_A0001_kB": "lungdx_A0001",
    "lungdx_A0001_kL": "lungdx_A0001",
    "lungdx_A0002_B40f": "lungdx_A0002",
}


def shippable_hosts(data: Path) -> list[Host]:
    """The hosts under `data` (laid out as the development data) that shipped weights may be trained on.

    Raises:
        FileNotFoundError: a volume is missing.
    """
    return [
        load_host(data / "chest_ct" / f"{name}.nii.gz", patient, data / "chest_ct_nodules" / f"{name}.nii.gz")
        for name, patient in SHIPPABLE.items()
    ]


def load_host(path: Path, patient: str, nodules: Path | None = None) -> Host:
    """One NIfTI volume as a host; its own dense lesions, and nodules that readers drew, are ignored later.

    Raises:
        NoLungs: no lungs were found in it.
    """
    series = read_series(path)
    lungs = lung_backends.get("threshold")().find(series.volume)
    if lungs is None:
        raise NoLungs(f"No lungs were found in {path.name}; it cannot be a host.")
    known = series.read_mask(nodules) if nodules is not None and nodules.exists() else None
    return real_host(path.name.removesuffix(".gz").removesuffix(".nii"), patient, series.volume, lungs, known)
