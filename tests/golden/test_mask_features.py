"""Mask features of one drawn case against values worked out on paper, each with its origin.

Both ways: a feature without a row fails, and so does a row without a feature.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import features, has_meaning_in
from tests.cases import case_of
from tests.phantoms import box

GOLDEN = json.loads((Path(__file__).parent / "mask_features.json").read_text())["rows"]
SHAPE = (12, 20, 24)
features.load("hospital_agent.analysis.features")


@pytest.fixture(scope="module")
def drawn() -> Case:
    a = box(SHAPE, (2, 4, 3), (5, 8, 7)) | box(SHAPE, (5, 4, 3), (8, 8, 11))
    a[6, 5, 5] = False
    b = box(SHAPE, (3, 12, 14), (5, 14, 18))
    c = box(SHAPE, (0, 0, 20), (1, 2, 24))
    d = box(SHAPE, (10, 18, 20), (11, 19, 21))
    lungs = box(SHAPE, (1, 2, 2), (10, 17, 12)) | box(SHAPE, (1, 2, 13), (10, 17, 22))
    height = np.arange(SHAPE[0], dtype=np.int16)[:, None, None]
    array = np.broadcast_to(-500 + 10 * height, SHAPE).astype(np.int16)
    return case_of(a | b | c | d, spacing_mm=(2.5, 1.0, 1.0), array=array, lungs=lungs)


def test_every_feature_has_a_row_and_every_row_a_feature() -> None:
    assert set(GOLDEN) == set(features.names())


@pytest.mark.parametrize("name", GOLDEN)
def test_value_of_the_drawn_case(name: str, drawn: Case) -> None:
    if not has_meaning_in(features.get(name), drawn.volume.modality):
        drawn = replace(drawn, volume=replace(drawn.volume, modality="MR"))
    assert features.get(name)().compute(drawn) == pytest.approx(GOLDEN[name]["value"], rel=1e-6)
    assert GOLDEN[name]["origin"]
