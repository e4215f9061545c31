"""A mask autoencoder on disk: read as it was written, and refused where it was damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder, MaskAutoencoderShape, MaskNetwork
from hospital_agent.analysis.segmentation.mask_grid import MaskGrid
from hospital_agent.mask_autoencoder_files import (
    DESCRIPTION,
    MASK_AUTOENCODER_FILES,
    WEIGHTS,
    load_mask_autoencoder,
    save_mask_autoencoder,
)
from tests.anatomy import SPACING, heart


def fresh() -> MaskAutoencoder:
    torch.manual_seed(3)
    return MaskAutoencoder(MaskNetwork(MaskAutoencoderShape(3, MaskGrid(SPACING, (1, 32, 32)), channels=(4, 4))))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_mask_autoencoder(tmp_path, fresh(), masks=7)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(MASK_AUTOENCODER_FILES)
    assert json.loads((tmp_path / DESCRIPTION).read_text())["made_from"] == {"masks": 7}
    again = load_mask_autoencoder(tmp_path)
    assert np.array_equal(again.reconstruct(heart(0), SPACING), fresh().reconstruct(heart(0), SPACING))


@pytest.mark.parametrize("name", MASK_AUTOENCODER_FILES)
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    save_mask_autoencoder(tmp_path, fresh())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:20])
    with pytest.raises(ModelMismatch):
        load_mask_autoencoder(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelMismatch):
        load_mask_autoencoder(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_mask_autoencoder(tmp_path, fresh())
    told = json.loads((tmp_path / DESCRIPTION).read_text())
    told["shape"]["channels"] = [4, 8]
    (tmp_path / DESCRIPTION).write_text(json.dumps(told))
    with pytest.raises(ModelMismatch):
        load_mask_autoencoder(tmp_path)
    assert (tmp_path / WEIGHTS).is_file()
