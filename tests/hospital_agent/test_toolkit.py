"""The toolkit holds every registered score, once, and knows what an empty mask looks like in each."""

from pathlib import Path

import pytest

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.features import features, has_meaning_in
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.model_folder import load_model
from hospital_agent.toolkit import build_toolkit
from shared.errors import UnknownName
from tests.model_folder import write_model


def test_every_registered_feature_and_score_is_in_it() -> None:
    toolkit = build_toolkit(with_network=False)
    assert set(toolkit.features) == {name for name, unit in features.items() if has_meaning_in(unit, "CT")}
    assert "intensity_mode_hu" in toolkit.features
    assert "intensity_mode_body_sd" not in toolkit.features
    assert set(toolkit.uncertainty) == set(uncertainty_scores.names())
    assert toolkit.segmenter is None
    assert toolkit.backend == "supplied_mask"


def test_what_is_monitored_has_one_name_each() -> None:
    names = [quantity.name for quantity in build_toolkit(with_network=False).monitored]
    assert len(names) == len(set(names))
    assert "smoothness_5mm" in names
    assert "smoothness" not in names  # it measures slice thickness too


def test_an_empty_mask_has_no_volume_and_no_pieces() -> None:
    nothing = build_toolkit(with_network=False).values_of_nothing()
    assert nothing["lesion_volume_ml"] == nothing["component_count"] == nothing["fragment_count"] == 0
    assert "intensity_mode_hu" not in nothing


def test_the_shipped_model_predicts_quality() -> None:
    toolkit = build_toolkit(with_network=False)
    assert toolkit.quality is not None
    assert {"predicted_dice", "failure_probability", "mahalanobis_log10"} <= {q.name for q in toolkit.monitored}


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch):
        build_toolkit(tmp_path, with_network=False)


def test_an_unknown_lung_backend_is_refused() -> None:
    with pytest.raises(UnknownName):
        build_toolkit(with_network=False, lungs="lung")


def test_the_flag_on_supplied_masks_is_told_as_good_as_it_is_on_masks_alone(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    quality = load_model(folder, with_network=False).quality
    assert build_toolkit(folder, with_network=False).flag_quality == quality.flag_quality(mask_only=True)
    assert build_toolkit(folder).flag_quality == quality.flag_quality(mask_only=False)
    assert quality.flag_quality(mask_only=True) != quality.flag_quality(mask_only=False)
