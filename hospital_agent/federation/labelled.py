"""A site's images with reference masks, made ready for training a network and for judging it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.federation.asked import NoData
from hospital_agent.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.model_folder import LoadedModel
    from hospital_agent.training.local_training import LocalPlan, LocalTrainer
    from hospital_agent.training.refinement_cases import RefinementCase

HELD_OUT = 5  # one patient of five judges weights, and is not learnt from
BATCH = 2


@dataclass(frozen=True, eq=False)
class Labelled:
    """Cases of patients to learn from, and of others to judge on."""

    learnt: "Sequence[RefinementCase]"
    held_out: "Sequence[RefinementCase]"


def labelled_cases(settings: Settings, loaded: "LoadedModel", classes: int, say: Callable[[str], None]) -> Labelled:
    """The images of the site that have a reference mask, parted by patient.

    A patient is held out by a hash of the name alone, so that one who is added later moves nobody else.

    Raises:
        NoData: fewer than two patients with masks, or all of them on one side.
    """
    from hospital_agent.fitting import find_inputs
    from hospital_agent.refining import read_cases
    from hospital_agent.training.refinement_cases import in_task

    images, references = settings.federation_images, settings.federation_references
    if images is None or references is None or not images.is_dir() or not references.is_dir():
        raise NoData("This site has no images with reference masks for federated work.")
    inputs = [one for one in find_inputs(images, references) if one.reference is not None]
    cases = in_task(read_cases(inputs, loaded, say), classes - 1)
    found = [case for case in cases if case.labels is not None and case.labels.any()]
    order = sorted({case.patient for case in found}, key=lambda name: sha256(name.encode()).digest())
    kept = set(order[: max(1, len(order) // HELD_OUT)])
    if len(order) < 2:
        raise NoData("Federated training needs reference masks of at least two patients at a site.")
    return Labelled(
        [case for case in found if case.patient not in kept], [case for case in found if case.patient in kept]
    )


def trainer_of(segmenter: "BundledSegmenter", labelled: Labelled, plan: "LocalPlan", seed: int) -> "LocalTrainer":
    """Training of the segmenter's network on these cases; Dice is that of whole held-out images, mean over labels.

    Args:
        seed: of the tiles; a site's own, so that sites do not draw alike.
    """
    from hospital_agent.analysis.metrics.dice import dice
    from hospital_agent.training.local_training import LocalTrainer
    from hospital_agent.training.refinement_tiles import on_working_grid
    from hospital_agent.training.segmenter import segmentation_loss
    from hospital_agent.training.tiles import endless_tiles

    grid, labels = segmenter.grid, range(1, segmenter.classes)
    items = [
        on_working_grid(case.volume, case.labels, grid, segmenter.classes)
        for case in labelled.learnt
        if case.labels is not None
    ]

    def batches(number: int) -> Iterator[object]:
        return endless_tiles(items, grid.tile, BATCH, np.random.default_rng([seed, number]))

    def judge(_network: "nn.Module") -> list[float | None]:
        """The network is the segmenter's own."""
        found: list[float | None] = []
        for case in labelled.held_out:
            predicted = segmenter.segment(case.volume).label_map
            truth = np.asarray(case.labels)
            each = [dice(predicted == label, truth == label) for label in labels]
            known = [value for value in each if value is not None]
            found.append(float(np.mean(known)) if known else None)
        return found

    return LocalTrainer(
        segmenter.network, batches, segmentation_loss, judge, plan, cases=len(items),
        patients=len({case.patient for case in labelled.learnt}), judged_cases=len(labelled.held_out),
    )  # fmt: skip


def bundled(loaded: "LoadedModel") -> "BundledSegmenter":
    """The segmenter of a model whose network can be trained here.

    Raises:
        NotApplicable: the model comes from elsewhere.
    """
    from hospital_agent.refining import trainable

    return trainable(loaded)


def own_seed(site: str) -> int:
    """Another for every site."""
    return int.from_bytes(sha256(site.encode()).digest()[:4], "big")


def weights_file(segmenter: "BundledSegmenter") -> bytes:
    """The network's weights as a file without code, in half precision like every model folder's."""
    from safetensors.numpy import save

    state = segmenter.network.state_dict()
    return save({name: value.detach().cpu().half().numpy() for name, value in state.items()})


def load(folder: Path, settings: Settings) -> "LoadedModel":
    """The model folder on the device of the site."""
    from hospital_agent.model_folder import load_model

    return load_model(folder, device=settings.device, allowed=settings.allow_list)
