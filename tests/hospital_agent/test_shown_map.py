"""The map of distances, through the command line and on a NIfTI phantom: where it lies, and what it says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.ood.tiles import on_source_grid
from hospital_agent.ingest.geometry import to_volume_axes
from hospital_agent.ingest.nifti import read_nifti
from hospital_agent.ingest.series import read_series
from hospital_agent.shown_map import distance_map
from hospital_agent.toolkit import build_toolkit, supplied_segmentation
from tests.model_folder import write_model
from tests.series_files import chest_values, write_nifti

SHAPE = (12, 40, 44)
SPACING = (5.0, 2.0, 2.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Turned and flipped, so that a map that forgets the source's axes lies elsewhere."""
    affine = np.array([[0, 2.5, 0, -40.0], [2.0, 0, 0, 30.0], [0, 0, -5.0, 12.0], [0, 0, 0, 1]])
    values = chest_values(SHAPE).transpose(1, 2, 0).astype(np.int16)
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "v.nii.gz")
    return tmp_path / "v.nii.gz"


def test_the_map_lies_on_the_input_and_averages_to_the_score(
    run: Any, volume: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "map.nii.gz"
    done = run("analyse", volume, "--model", model, "--device", "cpu", "--map-out", out)
    assert done.code == 0
    told = done.json
    assert told["segmentation"]["map"] == str(out)
    source, written = nib.load(volume), nib.load(out)
    assert written.shape == source.shape
    np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
    assert written.get_data_dtype() == np.float32
    values = np.asarray(written.dataobj)
    assert np.isfinite(values).all()
    assert values.min() >= 0
    inside = values[values > 0]
    assert inside.mean() == pytest.approx(told["ood"]["mahalanobis"], rel=0.05)
    assert inside.std() > 0


def test_voxel_upon_voxel_it_is_the_map_of_the_score(run: Any, volume: Path, model: Path, tmp_path: Path) -> None:
    run("analyse", volume, "--model", model, "--device", "cpu", "--map-out", tmp_path / "map.nii")
    series, toolkit = read_series(volume), build_toolkit(model, device="cpu")
    assert toolkit.segmenter is not None
    expected = distance_map(toolkit)(toolkit.segmenter.segment(series.volume))
    assert expected.shape == series.volume.shape
    array, grid, _ = read_nifti(tmp_path / "map.nii")
    np.testing.assert_array_equal(to_volume_axes(array, grid), expected)


def test_where_no_tile_lies_it_is_zero_and_lends_nothing_to_its_neighbours() -> None:
    shown = np.full((4, 4, 4), 7.0, dtype=np.float32)
    shown[2:] = np.nan
    moved = on_source_grid(shown, (8, 6, 4))
    assert moved.shape == (8, 6, 4)
    np.testing.assert_allclose(moved[:4], 7.0, rtol=1e-6)
    np.testing.assert_array_equal(moved[4:], 0.0)
    np.testing.assert_array_equal(on_source_grid(shown, (4, 4, 4)), np.nan_to_num(shown))


def test_a_supplied_mask_and_another_file_type_are_wrong_usage(
    run: Any, volume: Path, model: Path, tmp_path: Path
) -> None:
    mask = write_nifti(tmp_path / "m.nii.gz", np.zeros(SHAPE, dtype=np.uint8), SPACING)
    done = run("analyse", volume, "--mask", mask, "--model", model, "--map-out", tmp_path / "map.nii.gz")
    assert (done.code, "--map-out" in done.err) == (2, True)
    done = run("analyse", volume, "--model", model, "--map-out", tmp_path / "map.png")
    assert (done.code, ".nii.gz" in done.err) == (2, True)


def test_a_model_without_the_score_and_a_case_without_features_are_named(model: Path) -> None:
    toolkit = build_toolkit(model, device="cpu")
    with pytest.raises(NotApplicable, match="no fitted 'mahalanobis'"):
        distance_map(replace(toolkit, ood={}))
    with pytest.raises(NotApplicable, match="no features"):
        distance_map(toolkit)(supplied_segmentation(np.zeros(SHAPE, dtype=bool)))
