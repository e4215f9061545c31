"""One task from images to a report: split, train or load, shift, segment, score, learn, write. Every step resumes."""

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.evaluation.cache import RowCache, fingerprint_of
from hospital_agent.evaluation.calibrated import with_calibration
from hospital_agent.evaluation.learners import FUSED, learners_for
from hospital_agent.evaluation.measured import lacking, measurements, merged
from hospital_agent.evaluation.methods import methods_of
from hospital_agent.evaluation.networks import FolderExperiment
from hospital_agent.evaluation.refinement.seeds import refinement_of_seed
from hospital_agent.evaluation.refinement.told import summary_of
from hospital_agent.evaluation.report import write_report
from hospital_agent.evaluation.rows import Condition, Scored, Split
from hospital_agent.evaluation.supervised import with_learners
from hospital_agent.evaluation.tasks import Example, Experiment, FolderTask, Setting, Task

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Plan:
    """What to evaluate.

    Args:
        task, setting: the task, and where it runs.
        seeds: one split, one training and one draw of shifts each.
        command: what was typed, for the report.
    """

    task: Task
    setting: Setting
    seeds: Sequence[int] = SEEDS
    command: str = ""


def evaluate(plan: Plan) -> Path:
    """Run the plan and write its report; returns the folder.

    Raises:
        NoImages, TooFewCases: there is nothing to evaluate, or not enough of it.
    """
    begun, out = time.time(), plan.setting.out
    learners = learners_for(len(plan.task.label_names))
    rows: list[Scored] = []
    for seed in plan.seeds:
        rows += with_calibration(with_learners(rows_of_seed(plan, seed), learners, seed), FUSED)
    methods = methods_of(rows, learners, plan.task.members, several_passes=plan.task.several_passes)
    told = {**_told(plan, rows, time.time() - begun), "refinement": _refinement(plan)}
    (out / "run.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    write_report(out, rows, methods)
    return out


def rows_of_seed(plan: Plan, seed: int) -> list[Scored]:
    """All rows of validation and test of one seed, from the cache or scored now."""
    task, out = plan.task, plan.setting.out
    experiment = task.experiment(plan.setting, seed)
    trained_on = sorted(example.name for example in experiment.parts.train)
    fingerprint = fingerprint_of([task.fingerprint(), trained_on])
    caches: dict[str, RowCache] = {}
    rows = []
    for split, example, condition in tqdm(_work(task, experiment), desc=f"seed {seed}", unit="image", mininterval=5):
        name = experiment.cache_name(example)
        if name not in caches:
            caches[name] = RowCache(out / "rows", name, fingerprint)
        known = caches[name].find(example.name, condition)
        several = task.several_passes and (split == "test" or condition == Condition())
        wanted = measurements(task.members, task.companions(), several_passes=several)
        asked = wanted if known is None else lacking(known, wanted)
        row = known
        if row is None or asked:
            row = experiment.scorer(example).score(task.under(example, condition, seed), condition, split, asked)
            row = row if known is None else merged(known, row)
            caches[name].add(row)
        rows.append(replace(row, seed=seed, split=split))
    return rows


def _refinement(plan: Plan) -> dict[str, Any] | None:
    """What refinement does to the networks of a task that asks for it."""
    task = plan.task
    if not isinstance(task, FolderTask) or task.refinement is None:
        return None
    experiments = [FolderExperiment(task, plan.setting, seed) for seed in plan.seeds]
    return summary_of([refinement_of_seed(one, task.refinement) for one in experiments])


def _work(task: Task, experiment: Experiment) -> list[tuple[Split, Example, Condition]]:
    parts: tuple[tuple[Split, Sequence[Example]], ...] = (
        ("validation", experiment.parts.validation),
        ("test", experiment.parts.test),
    )
    return [
        (split, example, condition)
        for split, examples in parts
        for example in examples
        for condition in task.conditions(example)
    ]


def _told(plan: Plan, rows: Sequence[Scored], seconds: float) -> dict[str, Any]:
    """What a reader must know of the run; `run.json`."""
    on_gpu = choose_device(plan.setting.device).type == "cuda"
    return {
        "task": plan.task.name,
        "label_names": list(plan.task.label_names),
        "command": plan.command,
        "seeds": list(plan.seeds),
        "training": plan.task.training,
        "members": plan.task.members,
        "patients": {
            split: len({row.patient for row in rows if row.split == split}) for split in ("validation", "test")
        },
        "rows": len(rows),
        "seconds": round(seconds, 1),
        "device": torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})",
        "versions": {name: version(name) for name in ("segwatch", "torch", "numpy", "scikit-learn")},
    }
