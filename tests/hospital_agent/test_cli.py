"""The command line: one JSON object on standard output, the promised exit codes, and nothing else there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from hospital_agent.cli import app
from tests.agent_site import KEY, Site
from tests.model_folder import write_model
from tests.series_files import SECRET_NAME, SECRET_PATIENT, chest_values, write_nifti, write_series

SHAPE = (10, 16, 14)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return write_nifti(tmp_path / "v.nii.gz", chest_values(SHAPE))


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    voxels = np.zeros(SHAPE, dtype=np.uint8)
    voxels[4:7, 6:9, 6:9] = 1
    return write_nifti(tmp_path / "m.nii.gz", voxels)


class TestAnalyse:
    def test_a_nifti_file_is_segmented_and_scored(self, run: Any, volume: Path, model: Path, tmp_path: Path) -> None:
        done = run("analyse", volume, "--model", model, "--device", "cpu", "--mask-out", tmp_path / "out.nii.gz")
        assert done.code == 0
        told = done.json
        assert {"segmentation", "features", "uncertainty", "ood", "quality", "timings_s", "warnings"} <= set(told)
        assert told["segmentation"]["model_version"] == "0.0.1"
        assert told["segmentation"]["mask"] == str(tmp_path / "out.nii.gz")
        written = nib.load(tmp_path / "out.nii.gz")
        assert written.shape == SHAPE[::-1]
        voxel_ml = 3.0 * 1.0 * 1.5 / 1000
        assert np.asarray(written.dataobj).sum() * voxel_ml == pytest.approx(told["segmentation"]["volume_ml"])
        assert set(told["quality"]) >= {"predicted_dice", "interval", "failure_probability"}
        assert all(value is None or isinstance(value, float) for value in told["features"].values())
        assert "analyse" not in done.out
        assert "segmentation" in done.err

    def test_a_dicom_folder_works_too(self, run: Any, model: Path, tmp_path: Path, mask: Path) -> None:
        folder = write_series(tmp_path / "s", chest_values(SHAPE))
        done = run("analyse", folder, "--model", model, "--device", "cpu")
        assert done.code == 0
        assert SECRET_NAME not in done.out + done.err
        assert SECRET_PATIENT not in done.out + done.err

    def test_the_result_can_go_to_a_file(self, run: Any, volume: Path, mask: Path, model: Path, tmp_path: Path) -> None:
        done = run("analyse", volume, "--mask", mask, "--model", model, "--out", tmp_path / "r.json")
        assert (done.code, done.out) == (0, "")
        told = json.loads((tmp_path / "r.json").read_text())
        assert told["features"]["component_count"] == 1.0

    def test_supplied_lungs_are_used(self, run: Any, volume: Path, mask: Path, model: Path, tmp_path: Path) -> None:
        whole = write_nifti(tmp_path / "lungs.nii.gz", np.ones(SHAPE, dtype=np.uint8))
        told = run("analyse", volume, "--mask", mask, "--lungs", whole, "--model", model).json
        assert told["lungs"]["backend"] == "supplied"
        assert told["features"]["lesion_in_lungs"] == 1.0

    @pytest.mark.parametrize("value", [0, 1])
    def test_an_empty_and_a_full_mask_have_a_defined_result(
        self, run: Any, volume: Path, model: Path, tmp_path: Path, value: int
    ) -> None:
        mask = write_nifti(tmp_path / "all.nii.gz", np.full(SHAPE, value, dtype=np.uint8))
        done = run("analyse", volume, "--mask", mask, "--model", model)
        assert done.code == 0
        assert done.json["failures"] == []
        assert "NaN" not in done.out
        if value == 0:
            assert done.json["quality"]["predicted_dice"] is None
            assert done.json["quality"]["interval"] == [0.0, 1.0]

    def test_a_refused_input_says_why(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        done = run("analyse", tmp_path / "empty")
        assert done.code == 3
        assert done.json == {"refused": {"reason": "empty_folder", "detail": "The folder holds no files."}}

    def test_a_damaged_file_is_refused(self, run: Any, tmp_path: Path) -> None:
        folder = write_series(tmp_path / "s", chest_values(SHAPE))
        damaged = folder / "slice-0002.dcm"
        damaged.write_bytes(damaged.read_bytes()[:141])
        done = run("analyse", folder)
        assert (done.code, done.json["refused"]["reason"]) == (3, "truncated_dicom")

    def test_a_mask_on_another_grid_is_refused(self, run: Any, volume: Path, tmp_path: Path) -> None:
        other = write_nifti(tmp_path / "m.nii", np.ones((3, 16, 14), dtype=np.uint8))
        done = run("analyse", volume, "--mask", other)
        assert (done.code, done.json["refused"]["reason"]) == (3, "mask_on_another_grid")

    def test_a_model_folder_that_is_none_is_a_fault_with_a_sentence(
        self, run: Any, volume: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "model").mkdir()
        done = run("analyse", volume, "--model", tmp_path / "model")
        assert (done.code, done.out) == (1, "")
        assert "manifest.json" in done.err
        assert "Traceback" not in done.err

    @pytest.mark.parametrize(
        "arguments",
        [
            ("analyse",),
            ("analyse", "/nowhere/at/all"),
            ("analyse", ".", "--device", "tpu"),
            ("analyse", ".", "--mask", "/nowhere.nii"),
            ("analyse", ".", "--mask-out", "mask.png"),
            ("analyse", ".", "--wrong"),
            ("no-such-command",),
        ],
    )
    def test_wrong_usage(self, run: Any, arguments: tuple[str, ...]) -> None:
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err

    def test_scoring_a_supplied_mask_imports_no_torch(self, volume: Path, mask: Path, model: Path) -> None:
        code = """
import sys
from hospital_agent.cli import main
try:
    main()
finally:
    print(sorted({"torch", "sqlalchemy", "sklearn"} & set(sys.modules)), file=sys.stderr)
"""
        arguments = ["analyse", str(volume), "--mask", str(mask), "--model", str(model)]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stderr.splitlines()[-1] == "[]"
        assert json.loads(done.stdout)["segmentation"]["backend"] == "supplied_mask"


class TestRun:
    def test_a_missing_setting_ends_it_at_once_with_its_name(self, tmp_path: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_")}
        done = subprocess.run(
            [sys.executable, "-c", "from hospital_agent.cli import main; main()", "run"],
            capture_output=True, text=True, check=False, env={**environment, "AGENT_SITE": "north"}, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 2
        assert "AGENT_INBOX" in done.stderr
        assert "AGENT_SITE_KEY (or AGENT_SITE_KEY_FILE)" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site that has sent one report and has six patients in its open window."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.day(6, first=0)
    for number in range(20, 26):
        site.drop(f"p{number}", number)
    site.settle()
    return site


class TestLooking:
    def test_status(self, run: Any, site: Site) -> None:
        told = run("status", "--data-dir", site.data).json
        assert told["cases"] == {"scored": 12, "refused": 0, "failed": 0}
        assert told["window"]["patients"] == 6
        assert told["baseline"] == {"state": "warming_up", "patients": 6}
        assert told["outbox"] == {"waiting": 0, "sent": 1, "parked": 0}

    def test_the_ledger_lists_verifies_and_shows_the_exact_bytes(self, run: Any, site: Site) -> None:
        (body,) = site.central.bodies.values()
        listed = run("ledger", "--data-dir", site.data).json
        assert (listed["number"], listed["bytes"]) == (1, len(body))
        assert run("ledger", "--data-dir", site.data, "--verify").json["rows"] == 1
        assert run("ledger", "--data-dir", site.data, "--show", 1).out.encode() == body + b"\n"
        assert run("ledger", "--data-dir", site.data, "--show", 9).code == 2

    def test_the_outbox(self, run: Any, site: Site) -> None:
        (told,) = run("outbox", "--data-dir", site.data).json
        assert told["state"] == "sent"
        assert "0 parked" in run("outbox", "--data-dir", site.data, "--retry").err

    def test_the_preview_needs_no_network(
        self, run: Any, site: Site, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "SITE": "north", "INBOX": site.inbox, "DATA_DIR": site.data, "CENTRAL_URL": "http://127.0.0.1:1",
            "SITE_KEY": KEY, "K": 5, "MODEL_DIR": model,
        }.items():  # fmt: skip
            monkeypatch.setenv(f"AGENT_{name}", str(value))
        told = run("preview").json
        assert (told["status"], told["patient_count"]) == ("released", 6)
        monkeypatch.delenv("AGENT_K")
        closed = run("preview")
        assert (closed.code, closed.out) == (0, "")
        assert "no report is made" in closed.err

    def test_a_review_from_the_draw_to_the_verdict(self, run: Any, site: Site) -> None:
        drawn = run("review", "draw", 2, "--data-dir", site.data).json["drawn"]
        assert len(drawn) == 2
        assert (
            run("review", "record", drawn[0], "failed", "--category", "missed_lesion", "--data-dir", site.data).code
            == 0
        )
        assert run("review", "list", "--data-dir", site.data).json == {
            "waiting": [drawn[1]],
            "counts": {"good": 0, "failed": 1, "waiting": 1},
        }
        assert run("review", "record", "unknown", "good", "--data-dir", site.data).code == 2
        assert run("review", "record", drawn[1], "fine", "--data-dir", site.data).code == 2

    def test_a_fault_that_nobody_foresaw_is_told_without_its_text(
        self, run: Any, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(store: object) -> None:
            raise RuntimeError(SECRET_PATIENT)

        monkeypatch.setattr("hospital_agent.store.overview.overview", fail)
        done = run("status", "--data-dir", site.data)
        assert (done.code, done.out) == (1, "")
        assert '"error": "RuntimeError"' in done.err
        assert "not foreseen" in done.err
        assert SECRET_PATIENT not in done.err
        assert "Traceback" not in done.err

    @pytest.mark.parametrize("command", ["status", "ledger", "outbox"])
    def test_a_folder_without_a_store_is_said_to_be_one(self, run: Any, command: str, tmp_path: Path) -> None:
        done = run(command, "--data-dir", tmp_path)
        assert done.code == 2
        assert "AGENT_DATA_DIR" in done.err


def test_every_command_is_documented() -> None:
    assert all((command.callback.__doc__ or "").strip() for command in app.registered_commands if command.callback)


def test_help_tells_what_an_argument_is() -> None:
    from typer.testing import CliRunner

    told = CliRunner().invoke(app, ["federation", "accept", "--help"], env={"COLUMNS": "160"}).stdout
    assert "Id of the run, or its first digits." in told
