"""What one pass of the model over a site's images left, kept on disk so that a round never segments again.

Federated jobs over images (`gaussian`, `logistic`, `conformal`) read what stands here. A file an image, under a hash of
the model, of this program's version and of the image's files with their sizes and times: whatever changes is looked at
anew. Patients stand here under the pseudonyms of the store.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hospital_agent.analysis.imaging.volume import BoolArray
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.ood.latent_mahalanobis import LatentMahalanobis
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.analysis.ood.pooled_mahalanobis import PooledMahalanobis
from hospital_agent.analysis.ood.tiles import tile_shares, weighted_mean
from hospital_agent.analysis.segmentation.base import LAST, Segmentation
from hospital_agent.assembly import site_pseudonyms
from hospital_agent.errors import CaseFailed, InputRefused
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.fitting_inputs import Input, find_inputs
from hospital_agent.ingest.series import read_series
from hospital_agent.pipeline import CaseResult, Values, analyse_case
from hospital_agent.settings import Settings
from hospital_agent.toolkit import Toolkit, build_toolkit
from shared.logs import logger

FOLDER = "looked_at"
FORMAT = 2  # of the files in it
OF_ONE_GAUSSIAN: Mapping[str, type[Any]] = {
    "mahalanobis": Mahalanobis,
    "pooled_mahalanobis": PooledMahalanobis,
    "latent_mahalanobis": LatentMahalanobis,
}
"""The scores whose reference is one Gaussian over rows, and whose value is a mean of the rows' distances."""
Say = Callable[[str], None]
log = logger("federation")


@dataclass(frozen=True, eq=False)
class Rows:
    """What a score looks at in one case.

    Args:
        rows: (N, D).
        shares: (N,) of each row in the score's value; >= 0, summing to 1.
    """

    rows: Float64Array = field(repr=False)
    shares: Float64Array = field(repr=False)

    def value(self, distances: Float64Array) -> float:
        """The score, from the distances of the rows."""
        return weighted_mean(self.shares, distances)


@dataclass(frozen=True, eq=False)
class LookedAt:
    """One image under the model.

    Args:
        patient: pseudonym.
        rows: name of the score -> what it looks at.
        values: everything that the analysis says of the case.
        dice: None without a reference, or where reference and mask are both empty.
        empty: whether nothing was segmented.
        gram: (C, C) Gram matrix of the last feature maps; None where the model shows none, or they are 0 everywhere.
    """

    patient: str = field(repr=False)
    rows: Mapping[str, Rows] = field(repr=False)
    values: Values = field(repr=False)
    dice: float | None = field(repr=False)
    empty: bool = field(repr=False)
    gram: Float64Array | None = field(default=None, repr=False)


def look_at_images(settings: Settings, model: Path, say: Say = lambda _: None) -> list[LookedAt]:
    """All images of the site under a model, in the order of their names; those of before come from disk.

    Args:
        model: the model folder.

    Raises:
        NoData: the site has no images for federated work.
        ModelMismatch, ModelNotAllowed: the model cannot be loaded.
    """
    images = settings.federation_images
    if images is None or not images.is_dir() or not any(images.iterdir()):
        raise NoData("This site has no images for federated work.")
    found, fresh = [], _Fresh(settings, model)
    for one in find_inputs(images, settings.federation_references):
        name = _name(one, hash_of(model), settings.lungs)
        seen = kept(settings, name, partial(fresh.look, one, say))
        if seen is not None:
            found.append(seen)
    log.info("federation_images_looked_at", count=len(found))
    return found


def kept(settings: Settings, name: str, look: Callable[[], LookedAt | None]) -> LookedAt | None:
    """What is kept under a name, or else what a look shows, kept from then on."""
    folder = settings.federation_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.npz"
    found = _read(path)
    if found is None:
        found = look()
        if found is not None:
            _write(path, found)
    return found


def rows_of(shown: Segmentation) -> dict[str, Rows]:
    """What each score of one Gaussian looks at in a segmentation; without those that it does not show."""
    found = {}
    for name, score in OF_ONE_GAUSSIAN.items():
        rows = score.observe(shown)
        if rows is None or len(rows) == 0:
            continue
        shares = np.ones(1)
        if score is not PooledMahalanobis:
            if shown.patches is None or shown.probability is None:
                continue
            z, y, x = shown.probability.shape
            shares = tile_shares(shown.patches, (z, y, x))
        found[name] = Rows(np.asarray(rows, dtype=np.float64), shares)
    return found


class _Fresh:
    """Looks at an image; the network is loaded for the first one."""

    def __init__(self, settings: Settings, model: Path) -> None:
        self._settings, self._model = settings, model
        self._toolkit: Toolkit | None = None

    def look(self, one: Input, say: Say) -> LookedAt | None:
        say(f"the model looks at {one.name}")
        toolkit = self._toolkit = self._toolkit or toolkit_of(self._settings, self._model)
        try:
            series = read_series(one.path, toolkit.modality)
            result = analyse_case(series.volume, toolkit)
            truth = None if one.reference is None else series.read_mask(one.reference)
        except (InputRefused, CaseFailed) as problem:
            say(f"{one.name} was left out: {problem}")
            return None
        pseudonyms = site_pseudonyms(self._settings.data_dir)
        return seen_in(result, pseudonyms.of("patient", one.patient), truth)


def seen_in(result: CaseResult, patient: str, truth: BoolArray | None) -> LookedAt:
    """What is kept of an analysis.

    Args:
        patient: pseudonym.
        truth: (Z, Y, X) reference mask, or None.
    """
    return LookedAt(
        patient=patient,
        rows=rows_of(result.segmentation),
        values=result.values,
        dice=None if truth is None else dice(result.segmentation.mask, truth),
        empty=result.empty,
        gram=_gram(result.segmentation),
    )


def _gram(shown: Segmentation) -> Float64Array | None:
    layer = shown.layers.get(LAST)
    if layer is None or not np.trace(layer.gram) > 0:
        return None
    return np.asarray(layer.gram, dtype=np.float64)


def toolkit_of(settings: Settings, model: Path) -> Toolkit:
    """The toolkit of a model folder, as the site's settings want it."""
    return build_toolkit(
        model, device=settings.device, threads=settings.threads, lungs=settings.lungs, allowed=settings.allow_list
    )


def _name(one: Input, model: str, lungs: str) -> str:
    made = {"format": FORMAT, "model": model, "lungs": lungs, "version": version("segwatch"), "patient": one.patient}
    files = [_seen(one.path), None if one.reference is None else _seen(one.reference)]
    return hashlib.sha256(json.dumps([made, files], sort_keys=True).encode()).hexdigest()


def _seen(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of a file, or of every file of a series."""
    files: Iterable[Path] = [path] if path.is_file() else sorted(path.rglob("*"))
    told = [(file.name, file.stat()) for file in files if file.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in told]


def _write(path: Path, case: LookedAt) -> None:
    arrays: dict[str, Any] = {}
    for name, one in case.rows.items():
        arrays |= {f"{name}.rows": one.rows, f"{name}.shares": one.shares}
    if case.gram is not None:
        arrays["gram"] = case.gram
    told = {"patient": case.patient, "values": case.values, "dice": case.dice, "empty": case.empty}
    arrays["told"] = np.frombuffer(json.dumps(told, allow_nan=False).encode(), dtype=np.uint8)
    content = io.BytesIO()
    np.savez(content, **arrays)
    unfinished = path.with_suffix(f".{os.getpid()}.partial")  # `look` and the node may look at once
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content.getvalue())
    unfinished.replace(path)


def _read(path: Path) -> LookedAt | None:
    """What was kept; None where nothing was, or what is there is damaged: then it is looked at again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            told = json.loads(arrays["told"].tobytes())
            names = [key.removesuffix(".rows") for key in arrays.files if key.endswith(".rows")]
            rows = {name: Rows(arrays[f"{name}.rows"], arrays[f"{name}.shares"]) for name in names}
            gram = arrays["gram"] if "gram" in arrays.files else None
        return LookedAt(told["patient"], rows, told["values"], told["dice"], told["empty"], gram)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
