"""A task described in a file: anybody's images and labels, evaluated like the ready tasks.

name = "liver"
images = "liver/images"            # under --data; labels lie under the same file names
labels = "liver/labels"
label_names = ["liver"]            # of labels 1, 2, ...
modality = "CT"                    # or "MR"
patient = "^(patient\\d+)"          # the part of a file's name that says whom it shows; default: the whole name
[network]
spacing_mm = [3.0, 3.0, 3.0]       # (Z, Y, X), as everything here
tile = [64, 64, 64]
channels = [16, 32, 64]
flat = false                       # true: slice by slice
[training]
patch = [48, 48, 48]
steps = 600
batch = 2
autoencoder_steps = 300            # for segmentation distortion; default: none is trained
companion_steps = 200              # for outlier exposure and Lee's GAN training; default: none is trained
outliers = "knees/images"          # foreign images for outlier exposure, without labels; default: none
[split]
validation = 8                     # patients
test = 10
[shifts]
families = ["contrast_and_noise"]  # default: all
strengths = [1, 2, 3]
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.evaluation.tasks import MR_SHIFTS, FolderTask, Split, Task, TrainingPlan
from hospital_agent.evaluation.tasks.chest_ct import ChestCt
from hospital_agent.evaluation.tasks.small_chest_lungs import CT_SHIFTS
from hospital_agent.simulation import shifts
from shared.errors import SettingsError

QUICK_STEPS, QUICK_AUTOENCODER_STEPS, QUICK_COMPANION_STEPS = 60, 20, 20


def task_from(path: Path) -> FolderTask:
    """The task that a TOML file describes.

    Raises:
        SettingsError: the file is not TOML, lacks something, or says something that cannot be.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise SettingsError(f"The task file {path.name} cannot be read as TOML: {problem}") from None
    try:
        return _task(told)
    except KeyError as missing:
        raise SettingsError(f"The task file {path.name} lacks {missing}.") from None
    except (TypeError, ValueError, re.error) as problem:
        raise SettingsError(f"The task file {path.name} says something that cannot be: {problem}") from None


def _task(told: Mapping[str, Any]) -> FolderTask:
    network, training, split = told["network"], told["training"], told.get("split", {})
    modality = told["modality"]
    if modality not in ("CT", "MR"):
        raise ValueError("modality is CT or MR.")
    chosen = told.get("shifts", {})
    families = tuple(chosen.get("families", CT_SHIFTS if modality == "CT" else MR_SHIFTS))
    for family in families:
        shifts.families().get(family)
    flat = bool(network.get("flat", False))
    tile, patch = _triple(network["tile"], int), _triple(training["patch"], int)
    shape = UNetShape(
        channels=tuple(int(width) for width in network["channels"]),
        classes=len(told["label_names"]) + 1,
        depth_kernel=1 if flat else 3,
        depth_stride=1 if flat else 2,
    )
    for name, size in (("tile", tile), ("patch", patch)):
        if any(length % shape.divisor for length in (size[1:] if flat else size)):
            raise ValueError(
                f"with {len(shape.channels)} levels every axis of {name} is a multiple of {shape.divisor}."
            )
    return FolderTask(
        name=str(told["name"]),
        label_names=tuple(told["label_names"]),
        grid=WorkingGrid(
            spacing_mm=_triple(network["spacing_mm"], float),
            tile=tile,
            scheme="hu_window" if modality == "CT" else "standardised",
        ),
        shape=shape,
        plan=TrainingPlan(
            patch,
            int(training["steps"]),
            int(training["batch"]),
            autoencoder_steps=int(training.get("autoencoder_steps", 0)),
            companion_steps=int(training.get("companion_steps", 0)),
        ),
        split=Split(int(split.get("validation", 8)), int(split.get("test", 10))),
        images=str(told["images"]),
        labels=str(told["labels"]),
        patient_of=_patient_of(told.get("patient")),
        families=families,
        strengths=tuple(int(strength) for strength in chosen.get("strengths", (1, 2, 3))),
        members=int(told.get("members", 1)),
        modality=modality,
        outliers=(str(training["outliers"]),) if "outliers" in training else (),
    )


def quick(task: Task) -> Task:
    """The task in some minutes, for trying the way: few steps, few patients, one strength. Its numbers say nothing."""
    if isinstance(task, ChestCt):
        return ChestCt(quick=True)
    if not isinstance(task, FolderTask):
        raise SettingsError(f"The task {task.name} cannot be shortened; run it without --quick.")
    few = Split(min(4, task.split.validation), min(3, task.split.test))
    return replace(
        task,
        plan=replace(
            task.plan,
            steps=QUICK_STEPS,
            autoencoder_steps=min(QUICK_AUTOENCODER_STEPS, task.plan.autoencoder_steps),
            companion_steps=min(QUICK_COMPANION_STEPS, task.plan.companion_steps),
        ),
        split=few,
        most_training_patients=8,
        strengths=(2,),
        members=min(2, task.members),
        images_per_patient=1,
        refinement=None if task.refinement is None else replace(task.refinement, epochs=1),
    )


def _patient_of(pattern: str | None) -> Callable[[str], str]:
    if pattern is None:
        return str
    compiled = re.compile(pattern)

    def patient(name: str) -> str:
        found = compiled.search(name)
        if found is None:
            raise SettingsError("The name of an image does not match the task file's pattern for patients.")
        return found.group(1) if compiled.groups else found.group(0)

    return patient


def _triple(numbers: Any, kind: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    z, y, x = (kind(number) for number in numbers)
    return z, y, x
