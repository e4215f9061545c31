"""The study of refinement for a seed of a task: its networks and images put together, and its result kept."""

import json
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import torch

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.quality.candidates import BEST_COUNT
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.companions import mask_plan
from hospital_agent.evaluation.mask_autoencoders import trained_mask_autoencoder
from hospital_agent.evaluation.networks import FolderExperiment, network_name, train_member
from hospital_agent.evaluation.refinement.study import Parts, SeedRefinement, study
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.tasks import Example, FolderTask, RefinementStudy
from hospital_agent.training.loop import Checkpoint
from hospital_agent.training.refinement import RefinementPlan
from hospital_agent.training.refinement_cases import RefinementCase

DEFINITION = 1  # raised when what is measured changes, so that an old result is never taken for a new one


def refinement_of_seed(experiment: FolderExperiment, wanted: RefinementStudy) -> SeedRefinement:
    """What refinement does to the networks of a seed, from the run's folder or measured now."""
    task, seed, out, parts = experiment.task, experiment.seed, experiment.setting.out, experiment.parts
    plan = RefinementPlan(patch=task.grid.tile, most_epochs=wanted.epochs, seed=seed)
    names = [sorted(one.name for one in part) for part in (parts.train, parts.validation, parts.test)]
    told = [DEFINITION, task.fingerprint(), names, asdict(plan), asdict(mask_plan(task, seed)), asdict(wanted)]
    place = out / "refinement" / f"seed{seed}-{fingerprint_of(told)}.json"
    if not place.exists():
        try:
            found = study(parts_of(experiment, wanted.strength), plan, seed)
        except TooFewCases as reason:  # no fences, or no autoencoder
            found = SeedRefinement(seed, str(reason), 0, 0, 0, [])
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    return SeedRefinement.from_json(json.loads(place.read_text(encoding="utf-8")))


def parts_of(experiment: FolderExperiment, strength: int) -> Parts:
    """The networks and images of a seed; what is not in the run's folder is trained into it.

    Args:
        strength: of every shift family.
    """
    task, seed, parts = experiment.task, experiment.seed, experiment.parts
    networks = experiment.setting.out / "networks"
    conditions = [Condition(), *(Condition(family, strength) for family in task.families)]
    truths = [_case(task, example, condition, seed) for example in parts.test for condition in conditions]
    return Parts(
        candidates=trained_candidates(experiment),
        autoencoder=trained_mask_autoencoder(task, parts.train, networks, seed),
        annotated=[_case(task, example, Condition(), seed) for example in parts.validation],
        shown=[replace(truth, labels=None) for truth in truths],
        truths=truths,
        conditions=conditions * len(parts.test),
    )


def _case(task: FolderTask, example: Example, condition: Condition, seed: int) -> RefinementCase:
    subject = task.under(example, condition, seed)
    return RefinementCase(f"{example.name}, {condition.family}", example.patient, subject.volume, subject.labels)


def trained_candidates(experiment: FolderExperiment) -> list[BundledSegmenter]:
    """The best checkpoints of one training, best first, from the run's folder or freshly trained into it.

    The network that all other methods share keeps only its best checkpoint; this is the same training once more.
    """
    task, seed = experiment.task, experiment.seed
    images = sorted(example.name for example in experiment.parts.train)
    place = experiment.setting.out / "networks" / network_name(task, images, seed) / "candidates"
    finished = place / "candidates.json"
    start = zlib.crc32(f"{task.name}/{seed}/0".encode())
    if not finished.exists():
        torch.manual_seed(start)
        network = UNet(task.shape)
        parts = experiment.parts.train, experiment.choose_on
        device = experiment.setting.device
        best = train_member(network, task, *parts, place, start, device, keep_best=BEST_COUNT)
        finished.write_text(json.dumps([asdict(one) for one in best], indent=1) + "\n", encoding="utf-8")
        (place / "training" / "state.pt").unlink()
    best = [Checkpoint(**one) for one in json.loads(finished.read_text(encoding="utf-8"))]
    return [_candidate(experiment, place / "training" / one.path, number) for number, one in enumerate(best)]


def _candidate(experiment: FolderExperiment, path: Path, number: int) -> BundledSegmenter:
    task = experiment.task
    network = UNet(task.shape)
    network.load_state_dict(torch.load(path, weights_only=True))
    version = f"{task.name}-seed{experiment.seed}-candidate{number}"
    return BundledSegmenter(network, task.grid, version=version, model_hash="0" * 64, device=experiment.setting.device)
