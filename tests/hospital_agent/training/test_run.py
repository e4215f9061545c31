"""A whole training run in miniature: it takes up what lies there, and what it writes can be loaded and used."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality.inputs import DEFAULT_INPUTS
from hospital_agent.analysis.segmentation.bundled import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.model_folder import load_model
from hospital_agent.pipeline import analyse_case
from hospital_agent.simulation.hosts import phantom_host
from hospital_agent.simulation.patient import simulate_patient
from hospital_agent.simulation.scanner import Scanner
from hospital_agent.toolkit import build_toolkit
from hospital_agent.training.__main__ import Run, make_model
from hospital_agent.training.recipe import QUICK

TINY = replace(
    QUICK,
    network=UNetShape(channels=(4, 4, 4)),
    grid=WorkingGrid(spacing_mm=(12.0, 12.0, 12.0), tile=(16, 16, 16)),
    patch=(16, 16, 16),
    scored_copies=2,
    scored_phantoms=2,
)


def scored(patient: str, rng: np.random.Generator) -> list[dict]:
    """Cases as a fold would leave them, with a Dice that follows one of the values."""
    cases = []
    for number in range(12):
        dice = float(rng.uniform(0.2, 0.95))
        values = {item.name: dice + float(rng.uniform(0.1, 0.3)) for item in DEFAULT_INPUTS}
        values["mahalanobis"] = 1000.0 * 10 ** values.pop("mahalanobis_log10")
        cases.append(
            {
                "patient": patient,
                "volume": patient,
                "kind": "real",
                "unseen_texture": number % 2 == 1,
                "kernel": "soft",
                "dose": 1.0,
                "slice_mm": 5.0,
                "lesion_ml": 0.0 if number == 3 else 20.0,
                "predicted_ml": 18.0,
                "volume_error_ml": 18.0 if number == 3 else 2.0,
                "ignored_ml": 0.0,
                "dice": 0.0 if number == 3 else dice,
                "surface_dice": 0.0 if number == 3 else dice,
                "outcome": "false_only" if number == 3 else "both",
                "values": values,
            }
        )
    return cases


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    hosts = [
        replace(phantom_host(seed, (18, 17, 20), (12.0, 12.0, 12.0)), clean=False, patient=f"p{seed}", name=f"p{seed}")
        for seed in range(6)
    ]
    rng = np.random.default_rng(0)
    for host in hosts:
        (folder / f"without-{host.patient}").mkdir()
        (folder / f"without-{host.patient}" / "scored.json").write_text(json.dumps(scored(host.patient, rng)))
    run = Run(TINY, hosts, folder)
    make_model(run, folder / "model", "Trained in a test.")
    return run, folder


def test_the_model_folder_loads_and_analyses(made):
    _, folder = made
    toolkit = build_toolkit(folder / "model", device="cpu")
    case = simulate_patient(phantom_host(50), Scanner(), np.random.default_rng(0), lesion_count=2)
    result = analyse_case(case.volume, toolkit)
    assert result.segmentation.model_hash == load_model(folder / "model", with_network=False).hash
    assert result.ood["mahalanobis"] > 0
    assert result.ood["mahalanobis_log10"] is not None
    assert result.quality is not None
    assert not result.failures


def test_without_its_network_the_folder_still_scores_masks(made):
    _, folder = made
    model = load_model(folder / "model", with_network=False)
    assert model.segmenter is None
    assert model.quality.flag_quality(mask_only=True) is not None
    assert "mahalanobis" in model.ood


def test_the_card_has_a_row_a_patient_and_its_warning(made):
    run, folder = made
    card = (folder / "model" / "MODEL_CARD.md").read_text()
    assert all(f"| {host.patient} |" in card for host in run.hosts)
    assert "Not evaluated on real lesions" in card
    assert "{" not in card


def test_a_finished_run_is_taken_up_and_not_made_again(made):
    run, folder = made
    before = {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "model" not in path.parts
    }
    Run(run.recipe, run.hosts, folder).toolkit(None)
    changed = [p.name for p, stamp in before.items() if p.stat().st_mtime_ns != stamp]
    assert changed == []


@pytest.mark.parametrize("part", ["network.safetensors", "reference.safetensors", "validation.json", "quality.json"])
def test_a_changed_part_is_refused_by_name(made, part, tmp_path):
    import shutil

    _, folder = made
    copy = tmp_path / "model"
    shutil.copytree(folder / "model", copy)
    path = copy / part
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelMismatch, match=part):
        load_model(copy, with_network=False)
    path.unlink()
    with pytest.raises(ModelMismatch, match=part):
        load_model(copy, with_network=False)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(ModelMismatch, match="not a model folder"):
        load_model(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ModelMismatch, match="object"):
        load_model(tmp_path)
