"""`fit --method mask_autoencoder`: from references to a model folder that reconstructs, or a sentence."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fitted_model import digest_of, write_cases
from tests.torchscript_model import write_torchscript


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("given")
    return write_torchscript(folder / "foreign"), write_cases(folder / "cases", 5)


def test_from_references_to_a_folder_that_reconstructs(run: Any, given: tuple[Path, Path], tmp_path: Path) -> None:
    model, cases = given
    out, allowed = tmp_path / "out", ("--device", "cpu", "--allow", digest_of(model))
    asked = ("fit", "--model", model, "--images", cases / "images", "--out", out, *allowed)
    asked += ("--method", "mask_autoencoder", "--steps", 5)
    refused = run(*asked)
    assert (refused.code, "--references" in refused.err) == (1, True), refused.err
    done = run(*asked, "--references", cases / "references")
    assert done.code == 0, done.err
    assert {"mask_autoencoder_pdc", "mask_autoencoder_phd"} <= set(done.json["ood"])
    assert "but not to the mask autoencoder" in (out / "MODEL_CARD.md").read_text()
    done = run("analyse", cases / "images" / "case_1_0000.nii.gz", "--model", out, *allowed)
    assert done.code == 0, done.err
    assert 0 <= done.json["ood"]["mask_autoencoder_pdc"] <= 1
    assert done.json["ood"]["mask_autoencoder_phd"] is not None
    assert done.json["failures"] == []
    (out / "mask_autoencoder.json").write_text("{}")
    broken = run("analyse", cases / "images" / "case_1_0000.nii.gz", "--model", out, *allowed)
    assert (broken.code, "mask_autoencoder.json" in broken.err) == (1, True)
