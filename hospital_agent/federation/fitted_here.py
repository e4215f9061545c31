"""Fitting the parts of a model folder to what its model shows on this site's own images, as `fit` does."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hospital_agent.federation.asked import NoData
from hospital_agent.federation.labelled import load
from hospital_agent.federation.refitted import as_json, written
from hospital_agent.fitted_mask_autoencoder import fences_of_seen
from hospital_agent.fitting import Fitted, Seen, directions_of, look_at
from hospital_agent.fitting_inputs import find_inputs
from hospital_agent.mask_autoencoder_files import DESCRIPTION, load_fences
from hospital_agent.model_manifest import FITTED, QUALITY
from hospital_agent.settings import Settings
from hospital_agent.toolkit import toolkit_around
from shared.quantities import Direction

Say = Callable[[str], None]


def shown_by(settings: Settings, folder: Path, say: Say) -> tuple[list[Seen], Mapping[str, Direction]]:
    """What the model of a folder shows on the images of the site, and which way every value is worse.

    Raises:
        NoData: the site has no images.
    """
    if settings.federation_images is None:
        raise NoData("A new version is fitted to images of this site: set AGENT_FEDERATION_IMAGES.")
    loaded = load(folder, settings)
    assert loaded.segmenter is not None  # noqa: S101 - it was loaded with its network
    toolkit = toolkit_around(
        loaded.segmenter, loaded.backend, loaded.version, lungs=settings.lungs, modality=loaded.modality
    )
    inputs = find_inputs(settings.federation_images, settings.federation_references)
    return look_at(inputs, toolkit, say), directions_of(toolkit)


def put_fitted(folder: Path, fitted: Fitted) -> None:
    """The fitted scores and all scales; a quality model where it could be fitted, and else none."""
    from safetensors.numpy import save

    state = {
        f"{name}.{key}": np.ascontiguousarray(array)
        for name, score in fitted.ood.items()
        for key, array in score.state().items()
    }
    written(folder / FITTED[0], save(state))
    written(folder / FITTED[1], as_json({name: [r.low, r.median, r.high] for name, r in fitted.ranges.items()}))
    (folder / QUALITY).unlink(missing_ok=True)
    if fitted.quality is not None:
        written(folder / QUALITY, as_json({"kind": fitted.quality_kind, "model": fitted.quality.to_json()}))


def put_fences(folder: Path, seen: Sequence[Seen], say: Say) -> None:
    """From when on a mask is unusual, from the masks that were made here; none where they are too few, and said.

    What a fence is of (label, view, mean) stays. A folder without mask autoencoder stays as it is.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        return
    told, before = json.loads(path.read_text(encoding="utf-8")), load_fences(folder)
    by = "mean" if before is None else before.deciding.by
    fences = fences_of_seen(seen, int(told["shape"]["label_count"]), by, say)
    kept = {key: value for key, value in told.items() if key != "fences"}
    written(path, as_json(kept if fences is None else {**kept, "fences": fences.to_json()}))
