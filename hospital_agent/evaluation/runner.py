"""One task from images to a report: split, train or load, shift, segment, score, learn, write. Every step resumes."""

import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hospital_agent.analysis.features import features
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.evaluation.cache import RowCache, fingerprint_of, key_of
from hospital_agent.evaluation.learners import learners_for
from hospital_agent.evaluation.methods import methods_of
from hospital_agent.evaluation.networks import trained_segmenter
from hospital_agent.evaluation.rows import Condition, Method, Scored, Split
from hospital_agent.evaluation.scoring import Reference, Scorer, fit_reference
from hospital_agent.evaluation.splits import Parts, split_patients
from hospital_agent.evaluation.supervised import with_learners
from hospital_agent.evaluation.tasks import Example, Task

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Plan:
    """What to evaluate, on what, and where to.

    Args:
        task: the task.
        data: folder laid out as the development data.
        out: where networks, rows and the report go.
        test_data: another such folder, whose images are used for testing only; None for none.
        seeds: one split, one training and one draw of shifts each.
        steps: optimiser steps of each network; the task's own when None.
        device: auto, cpu or cuda.
        command: what was typed, for the report.
    """

    task: Task
    data: Path
    out: Path
    test_data: Path | None = None
    seeds: Sequence[int] = SEEDS
    steps: int | None = None
    device: str = "auto"
    command: str = ""


@dataclass
class SeedRun:
    """Everything of one seed."""

    plan: Plan
    seed: int
    parts: Parts
    _members: list[BundledSegmenter] = field(default_factory=list)
    _reference: Reference | None = None

    @property
    def members(self) -> list[BundledSegmenter]:
        """The networks, the first of which is judged; trained when they are first asked for."""
        while len(self._members) < self.plan.task.members:
            self._members.append(
                trained_segmenter(
                    self.plan.task,
                    self.parts.train,
                    self.parts.validation,
                    self.plan.out / "networks",
                    seed=self.seed,
                    member=len(self._members),
                    steps=self.plan.steps,
                    device=self.plan.device,
                )
            )
        return self._members

    @property
    def reference(self) -> Reference:
        """Fitted on the training images as they are, through full inference."""
        if self._reference is None:
            self._reference = fit_reference(self._training_segmentations())
        return self._reference

    def _training_segmentations(self) -> Iterator[tuple[str, Segmentation]]:
        for example in tqdm(self.parts.train, desc=f"seed {self.seed}: reference", unit="image", mininterval=5):
            yield example.patient, self.members[0].segment(example.content[0])

    def rows(self) -> list[Scored]:
        """All rows of validation and test, from the cache or scored now."""
        cache = RowCache(self.plan.out / "rows", self.seed, self.fingerprint())
        missing = [work for work in self._work() if key_of(work[0], work[1].name, work[2]) not in cache.rows]
        if missing:
            scorer = Scorer(self.plan.task.name, self.members, self.reference, self.seed)
            for split, example, condition in tqdm(missing, desc=f"seed {self.seed}: scoring", unit="image", mininterval=5):
                subject = self.plan.task.under(example, condition, self.seed)
                several = split == "test" or condition == Condition()
                cache.add(scorer.score(subject, condition, split, several_passes=several))
        wanted = [key_of(split, example.name, condition) for split, example, condition in self._work()]
        return [cache.rows[key] for key in wanted]

    def _work(self) -> list[tuple[Split, Example, Condition]]:
        parts: tuple[tuple[Split, list[Example]], ...] = (
            ("validation", self.parts.validation),
            ("test", self.parts.test),
        )
        return [
            (split, example, condition)
            for split, examples in parts
            for example in examples
            for condition in self.plan.task.conditions()
        ]

    def fingerprint(self) -> str:
        """Changes with the task, the images, and the version of everything that is measured."""
        task = self.plan.task
        measured = [
            (name, unit.quantity.version)
            for registry in (
                features.load("hospital_agent.analysis.features"),
                uncertainty_scores.load("hospital_agent.analysis.uncertainty"),
                sampled_scores,
                ood_scores.load("hospital_agent.analysis.ood"),
            )
            for name, unit in registry.items()
        ]
        plan = [task.name, asdict(task.grid), asdict(task.shape), asdict(task.plan), task.members, self.plan.steps]
        images = [[example.name for example in part] for part in (self.parts.train, self.parts.validation)]
        return fingerprint_of([plan, measured, images])


def evaluate(plan: Plan) -> Path:
    """Run the plan and write its report; returns the folder.

    Raises:
        NoImages, TooFewCases: there is nothing to evaluate, or not enough of it.
    """
    begun = time.time()
    examples = plan.task.examples(plan.data)
    added = [] if plan.test_data is None else _added(plan.task, plan.test_data, examples)
    rows: list[Scored] = []
    methods: list[Method] = []
    for seed in plan.seeds:
        parts = split_patients(examples, plan.task.split, seed, plan.task.images_per_patient)
        run = SeedRun(plan, seed, Parts(parts.train, parts.validation, parts.test + added))
        scored = run.rows()
        learners = learners_for(len(plan.task.label_names))
        rows += with_learners(scored, learners, seed)
        methods = methods_of(rows, run.reference, learners, plan.task.members)
    plan.out.mkdir(parents=True, exist_ok=True)
    (plan.out / "run.json").write_text(json.dumps(_told(plan, rows, time.time() - begun), indent=1) + "\n")
    from hospital_agent.evaluation.report import write_report

    write_report(plan.out, rows, methods)
    return plan.out


def _added(task: Task, folder: Path, own: Sequence[Example]) -> list[Example]:
    """Images for testing only; a patient of the same name as one of ours is taken for the same person and left out."""
    ours = {example.patient for example in own}
    return [example for example in task.examples(folder) if example.patient not in ours]


def _told(plan: Plan, rows: Sequence[Scored], seconds: float) -> dict[str, Any]:
    """What a reader must know of the run; `run.json`."""
    return {
        "task": plan.task.name,
        "label_names": list(plan.task.label_names),
        "command": plan.command,
        "seeds": list(plan.seeds),
        "steps": plan.steps or plan.task.plan.steps,
        "members": plan.task.members,
        "patients": {
            split: len({row.patient for row in rows if row.split == split}) for split in ("validation", "test")
        },
        "rows": len(rows),
        "seconds": round(seconds, 1),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})",
        "versions": {name: version(name) for name in ("segwatch", "torch", "numpy", "scikit-learn")},
    }
