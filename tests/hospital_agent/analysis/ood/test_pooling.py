"""The pooling rule of the 2021 paper, on shapes whose result is known on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.errors import FeatureShapeError
from hospital_agent.analysis.ood.pooling import FEWER_THAN, pool_patch


@pytest.mark.parametrize(
    ("shape", "length"),
    [
        ((320, 7, 16, 16), 320 * 1 * 4 * 4),  # the worked example: 7 -> 3 -> 1, 16 -> 8 -> 4
        ((320, 1, 16, 16), 320 * 1 * 4 * 4),  # thin tiles: the axis of length 1 stays
        ((96, 5, 5, 5), 96 * 2 * 2 * 2),
        ((10, 10, 10, 10), 10 * 5 * 5 * 5),  # exactly 10,000 numbers are not fewer than 10,000
        ((9, 10, 10, 11), 9 * 10 * 10 * 11),  # 9,900 are: nothing is pooled
        ((64, 32, 32), 64 * 8 * 8),  # a two-dimensional network
    ],
)
def test_pools_until_fewer_than_ten_thousand_numbers_are_left(shape: tuple[int, ...], length: int) -> None:
    assert pool_patch(np.zeros(shape)).shape == (length,)


def test_takes_means_of_neighbours_and_keeps_channels_apart() -> None:
    channel = np.arange(2 * 2 * 2500, dtype=np.float32).reshape(2, 2, 2500)
    activation = np.stack([channel, -channel])
    pooled = pool_patch(activation).reshape(2, 1, 1, 1250)
    expected = channel.reshape(2, 2, 1250, 2).mean(axis=(0, 1, 3))
    np.testing.assert_allclose(pooled[0, 0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(pooled[1, 0, 0], -expected, rtol=1e-6)


def test_does_what_average_pooling_in_torch_does() -> None:
    torch = pytest.importorskip("torch")
    activation = np.random.default_rng(0).normal(size=(40, 11, 14, 9)).astype(np.float32)
    pooled = torch.nn.functional.avg_pool3d(torch.from_numpy(activation)[None], 2)[0].numpy()
    np.testing.assert_allclose(pool_patch(activation), pooled.ravel(), rtol=1e-5, atol=1e-6)


@given(st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30)))
@settings(deadline=None)
def test_a_constant_activation_stays_constant_whatever_its_shape(shape: tuple[int, int, int, int]) -> None:
    pooled = pool_patch(np.full(shape, 3.5))
    assert 0 < pooled.size < FEWER_THAN
    assert np.all(pooled == np.float32(3.5))


@pytest.mark.parametrize("shape", [(1, 2, 4, 4, 4), (4, 4), (3, 0, 2, 2), (10_000, 1, 1, 1), (20_000, 2, 2, 2)])
def test_refuses_what_it_could_never_pool(shape: tuple[int, ...]) -> None:
    with pytest.raises(FeatureShapeError):
        pool_patch(np.zeros(shape))
