"""A site's images with reference masks, made ready for training a network and for judging it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.assembly import site_pseudonyms
from hospital_agent.federation.asked import NoData
from hospital_agent.settings import Settings

if TYPE_CHECKING:
    from torch import nn

    from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
    from hospital_agent.model_folder import LoadedModel
    from hospital_agent.training.local_training import LocalPlan, LocalTrainer
    from hospital_agent.training.refinement_cases import RefinementCase

BATCH = 2


def labelled_cases(
    settings: Settings, loaded: "LoadedModel", label_count: int, say: Callable[[str], None]
) -> "list[RefinementCase]":
    """The images of the site that have a reference mask which holds something; patients by their pseudonyms.

    Args:
        label_count: labels of the task, background not counted.

    Raises:
        NoData: the site has none.
        UnknownLabel: a mask holds a label that is none of the task.
    """
    from hospital_agent.fitting_inputs import find_inputs
    from hospital_agent.refining import read_cases
    from hospital_agent.training.refinement_cases import in_task

    images, references = settings.federation_images, settings.federation_references
    if images is None or references is None or not images.is_dir() or not references.is_dir():
        raise NoData("This site has no images with reference masks for federated work.")
    inputs = [one for one in find_inputs(images, references) if one.reference is not None]
    pseudonyms = site_pseudonyms(settings.data_dir)
    return [
        replace(case, patient=pseudonyms.of("patient", case.patient))
        for case in in_task(read_cases(inputs, loaded, say), label_count)
        if case.labels is not None and case.labels.any()
    ]


def seen_of(case: "RefinementCase") -> bytes:
    """A hash of everything that a training sees of a case: image, grid and mask."""
    digest = sha256(repr((case.volume.shape, case.volume.spacing_mm)).encode())
    digest.update(np.ascontiguousarray(case.volume.array).tobytes())
    digest.update(mask_of(case))
    return digest.digest()


def mask_of(case: "RefinementCase") -> bytes:
    """A hash of the mask and its grid alone."""
    digest = sha256(repr((case.volume.shape, case.volume.spacing_mm)).encode())
    digest.update(b"" if case.labels is None else np.ascontiguousarray(case.labels).tobytes())
    return digest.digest()


def trainer_of(
    segmenter: "BundledSegmenter", learnt: "Sequence[RefinementCase]", held_out: "Sequence[RefinementCase]",
    plan: "LocalPlan", seed: int,
) -> "LocalTrainer":  # fmt: skip
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
        on_working_grid(case.volume, case.labels, grid, segmenter.classes) for case in learnt if case.labels is not None
    ]

    def batches(number: int) -> Iterator[object]:
        return endless_tiles(items, grid.tile, BATCH, np.random.default_rng([seed, number]))

    def judge(_network: "nn.Module") -> list[float | None]:
        """The network is the segmenter's own."""
        found: list[float | None] = []
        for case in held_out:
            predicted = segmenter.segment(case.volume).label_map
            truth = np.asarray(case.labels)
            each = [dice(predicted == label, truth == label) for label in labels]
            known = [value for value in each if value is not None]
            found.append(float(np.mean(known)) if known else None)
        return found

    return LocalTrainer(
        segmenter.network, batches, segmentation_loss, judge, plan, cases=len(items),
        patients=len({case.patient for case in learnt}), judged_cases=len(held_out),
    )  # fmt: skip


def bundled(loaded: "LoadedModel") -> "BundledSegmenter":
    """The segmenter of a model whose network can be trained here.

    Raises:
        NotApplicable: the model comes from elsewhere.
    """
    from hospital_agent.refining import trainable

    return trainable(loaded)


def weights_file(segmenter: "BundledSegmenter") -> bytes:
    """The network's weights as a file without code, in half precision like every model folder's."""
    from safetensors.numpy import save

    state = segmenter.network.state_dict()
    return save({name: value.detach().cpu().half().numpy() for name, value in state.items()})


def load(folder: Path, settings: Settings) -> "LoadedModel":
    """The model folder on the device of the site."""
    from hospital_agent.model_folder import load_model

    return load_model(folder, device=settings.device, allowed=settings.allow_list)
