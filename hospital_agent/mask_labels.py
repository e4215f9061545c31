"""What the mask autoencoder of a model folder says of each label of a mask, the model's own or another product's.

It looks at labels alone, so that a mask of another product needs no network of ours. It belongs to the labels that it
was trained on: where a mask's are others it is not applied, `NotApplied` names the reason, and all other scores of the
mask stay as they are.
"""

from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.imaging.slices import slices_of
from hospital_agent.analysis.imaging.task_labels import task_labels
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.quality.label_fences import CaseMeasures, FenceSet, MaskFences
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.mask_autoencoder_files import load_fences, load_mask_autoencoder
from hospital_agent.model_folder import SHIPPED_MODEL, holds_mask_autoencoder
from hospital_agent.toolkit import Toolkit, supplied_segmentation

NO_MODEL = "none"  # the hash of a toolkit without one
UNITS = {"pdc": "", "phd_mm": " mm"}
NAMES = {"pdc": "pDC", "phd_mm": "pHD"}


@dataclass(frozen=True)
class NotApplied:
    """Why a mask was not reconstructed.

    Args:
        reason: "unknown_label", "one_label_of_several" or "torch_not_installed".
        detail: a sentence for a person.
    """

    reason: str
    detail: str


def mask_autoencoder_in(model: Path | None, toolkit: Toolkit) -> Path | None:
    """The folder of the model in use, if a mask autoencoder belongs to it.

    Args:
        model: the folder that was asked for; the shipped one when None.
        toolkit: built from it, or without any model.
    """
    folder = model or SHIPPED_MODEL
    return folder if toolkit.model_hash != NO_MODEL and holds_mask_autoencoder(folder) else None


def supplied(labels: NDArray[np.uint8], volume: Volume, folder: Path | None) -> tuple[Segmentation, NotApplied | None]:
    """A mask of another product as a segmentation, with its reconstruction; or without, and why.

    Args:
        labels: (Z, Y, X) on the volume's grid; for a task of one label, whatever is not 0 is that label.
        folder: of `mask_autoencoder_in`; None leaves the reconstruction out.

    Raises:
        ModelMismatch: the mask autoencoder is damaged.
    """
    plain = supplied_segmentation(labels != 0)
    if folder is None:
        return plain, None
    if find_spec("torch") is None:
        missing = "PyTorch is not installed, which the model's mask autoencoder needs; install segwatch[segmentation]."
        return _without(plain, NotApplied("torch_not_installed", missing))
    autoencoder = load_mask_autoencoder(folder)
    known = autoencoder.shape.label_count
    unfit = _unfit(labels, known)
    if unfit is not None:
        return _without(plain, unfit)
    named = plain if known == 1 else replace(plain, labels=task_labels(labels, known))
    return autoencoder.attached(named, volume.spacing_mm), None


def labels_told(
    found: Segmentation, volume: Volume, folder: Path | None, refused: NotApplied | None = None
) -> tuple[dict[str, Any] | None, list[str]]:
    """pDC and pHD of each label, and which of them lie beyond their fences, as JSON has it; and a sentence for each.

    None where there is no mask autoencoder, and `not_applied` with the reason where it knows other labels. Each label
    names what of it lies beyond its own fences; None where it has none. `beyond` is what decides that the mask is
    unusual, by label, view or mean as the model's folder has it, and `unjudged` what of it has no fences. Sentences
    name labels only where the mask is unusual.

    Args:
        folder: of `mask_autoencoder_in`.
        refused: why a supplied mask has no reconstruction.

    Raises:
        ModelMismatch: the fences are damaged.
    """
    if folder is None:
        return None, []
    if found.reconstructed is None:
        unknown = NotApplied("unknown_label", "The mask holds a label that the model's mask autoencoder does not know.")
        return {"not_applied": asdict(refused or unknown)}, []
    measures, fences = _measures(found, volume), load_fences(folder)
    known, decided = measures.by_label, {} if fences is None else fences.deciding.beyond(measures)
    told = {
        "labels": {str(label): asdict(one) | _of_label(fences, measures, str(label)) for label, one in known.items()},
        "mean": asdict(measures.mean),
        "fences": None if fences is None else fences.to_json(),
        "beyond": {name: list(which) for name, which in decided.items()},
        "unjudged": list(measures.groups("mean") if fences is None else fences.deciding.unjudged(measures)),
    }
    said = [] if fences is None else _sentences(fences.deciding, measures)
    if said and fences is not None and fences.by_label is not None and fences.deciding.by != "label":
        said += _sentences(fences.by_label, measures)
    return told, said


def _of_label(fences: MaskFences | None, measures: CaseMeasures, label: str) -> dict[str, list[str] | None]:
    own = None if fences is None else fences.by_label
    if own is None or label not in own.groups:
        return {"beyond": None}
    return {"beyond": list(own.beyond(measures).get(label, ()))}


def _measures(found: Segmentation, volume: Volume) -> CaseMeasures:
    from hospital_agent.analysis.segmentation.selected import case_measures

    count = 0 if found.reconstructed is None else len(found.reconstructed.dice_gap)
    return case_measures(found, count, slices_of(volume))


def _without(plain: Segmentation, why: NotApplied) -> tuple[Segmentation, NotApplied]:
    return replace(plain, warnings=(*plain.warnings, f"The mask autoencoder was not applied: {why.detail}")), why


def _unfit(labels: NDArray[np.uint8], known: int) -> NotApplied | None:
    """Why the numbers of a mask are not the labels that an autoencoder knows."""
    highest = int(labels.max(initial=0))
    if known > 1 and highest > known:
        return NotApplied(
            "unknown_label", f"The mask holds label {highest}, and the model's mask autoencoder knows 1 to {known}."
        )
    if known > 1 and highest == 1:
        return NotApplied(
            "one_label_of_several",
            f"The mask marks everything with 1, and the model's mask autoencoder knows 1 to {known}: nobody can say "
            "whether that is its label 1 or all of them together.",
        )
    return None


def _sentences(fences: FenceSet, measures: CaseMeasures) -> list[str]:
    """A sentence for every group beyond its fence, with the numbers."""
    said = []
    shown = measures.groups(fences.by)
    for group, which in fences.beyond(measures).items():
        limits = {"pdc": fences.groups[group].low_pdc, "phd_mm": fences.groups[group].high_phd_mm}
        numbers = ", ".join(
            f"{NAMES[name]} {getattr(shown[group], name):.3g}{UNITS[name]} (fence {limits[name]:.3g}{UNITS[name]})"
            for name in which
        )
        what = {"label": f"Label {group}", "view": f"The mask in its {group} view"}.get(fences.by, "The mask")
        said.append(f"{what} agrees worse with its reconstruction than is usual: {numbers}.")
    return said
