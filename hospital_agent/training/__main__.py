"""`make train`: from chest CT on disk to a model folder with its card. Takes up where an earlier run stopped."""

import argparse
import json
import os
import time
from pathlib import Path

import torch

from hospital_agent.analysis.quality.assessment import ablation
from hospital_agent.analysis.quality.fitting import fit_quality_model, training_cases
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.model_folder import SHIPPED_MODEL, save_model
from hospital_agent.training import card
from hospital_agent.training.hosts_on_disk import shippable_hosts
from hospital_agent.training.recipe import MODEL_NAME, MODEL_VERSION, QUICK, Recipe
from hospital_agent.training.run import Run
from hospital_agent.training.scored import on_scale, validation_ranges


def make_model(run: Run, out: Path, cost: str) -> None:
    """Fit the quality model on the left-out cases, and write the folder of the shipped network with its card."""
    cases = [case for patient in sorted({host.patient for host in run.hosts}) for case in run.scored(patient)]
    ranges = validation_ranges(cases)
    rows, dice, names = [on_scale(case, ranges) for case in cases], [c.dice for c in cases], [c.patient for c in cases]
    empty = [case.empty for case in cases]
    quality = fit_quality_model(
        rows,
        dice,
        names,
        empty=empty,
        groups=[case.kind for case in cases],
        measured_on=card.measured_on(cases),
        version=MODEL_VERSION,
    )
    final, recipe = run.toolkit(None), run.recipe
    network: UNet = final.segmenter.network  # type: ignore[union-attr]
    save_model(
        out,
        name=MODEL_NAME,
        version=MODEL_VERSION,
        network=network,
        grid=recipe.grid,
        ood=final.ood,
        validation=ranges,
        quality_kind="logistic_regression",
        quality=quality.to_json(),
        made_from={"seed": recipe.seed, "patients": len({h.patient for h in run.hosts})},
    )
    training = training_cases(rows, dice, names, empty=empty)
    left_out = ablation(training, list(range(len(training.inputs))))
    text = card.write(run.recipe, run.hosts, cases, quality, left_out, final.ood, cost, out)
    (out / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m hospital_agent.training", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SEGWATCH_DATA"), help="folder with chest_ct/")
    parser.add_argument("--work", type=Path, default=Path("training-runs"), help="checkpoints and finished stages")
    parser.add_argument("--out", type=Path, default=SHIPPED_MODEL, help="the model folder to write")
    parser.add_argument("--only", help="train and score one fold, or 'final', and stop")
    parser.add_argument("--quick", action="store_true", help="a minute, and good for nothing but trying the way")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    told = parser.parse_args()
    if told.data is None:
        parser.error("name the data with --data or SEGWATCH_DATA")
    torch.set_num_threads(told.threads)
    run = Run(QUICK if told.quick else Recipe(), shippable_hosts(told.data), told.work)
    if told.only:
        _ = run.toolkit(None) if told.only == "final" else run.scored(told.only)
        _spent(told.work)
        return
    for patient in sorted({host.patient for host in run.hosts}):
        run.scored(patient)
    run.toolkit(None)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    hours = _spent(told.work) / 3600
    make_model(run, told.out, f"Cost: {hours:.1f} hours of processor time ({device}), leave-one-out networks included.")


def _spent(folder: Path) -> float:
    """Seconds of processor time of this run, all threads together, and of the finished runs that it took up."""
    path = folder / "seconds.json"
    total = time.process_time() + (json.loads(path.read_text()) if path.exists() else 0.0)
    path.write_text(json.dumps(total))
    return total


if __name__ == "__main__":
    main()
