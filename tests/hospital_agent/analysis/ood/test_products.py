"""Products of channels and classes, against numpy on the whole table, however they are cut and however they lie."""

import numpy as np
import pytest

from hospital_agent.analysis.ood import products
from hospital_agent.analysis.ood.products import summed_products

RNG = np.random.default_rng(4)


def expected(rows: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    hot = np.stack([predicted == number for number in range(classes)])
    together = np.concatenate([rows.astype(np.float64), hot])
    return together @ together.T


@pytest.mark.parametrize("voxels", [1, 3, 4096, 10_001])
@pytest.mark.parametrize("worth", [1, 1 << 18])
def test_the_sums_are_those_of_the_whole_table(voxels: int, worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "WORTH_THREADS", worth)
    rows, predicted = RNG.normal(size=(5, voxels)).astype(np.float32), RNG.integers(0, 3, voxels).astype(np.uint8)
    found = summed_products(rows, predicted, 3, threads=4)
    np.testing.assert_allclose(found, expected(rows, predicted, 3), rtol=1e-10, atol=1e-9)
    np.testing.assert_array_equal(found.diagonal()[5:], np.bincount(predicted, minlength=3))


def test_neither_the_threads_nor_the_layout_change_a_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "WORTH_THREADS", 1)
    rows = RNG.normal(size=(4, 9000)).astype(np.float32)
    alone = summed_products(rows, threads=1)
    np.testing.assert_array_equal(summed_products(rows, threads=4), alone)
    np.testing.assert_allclose(summed_products(np.asfortranarray(rows), threads=2), alone, rtol=1e-12)
