"""Laws that every registered feature obeys. No feature is excepted; what differs is declared in its own quantity."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.features import Feature, features, has_meaning_in
from hospital_agent.analysis.imaging.volume import Modality, Triple
from tests.cases import case_of
from tests.phantoms import ellipsoid, shell

features.load("hospital_agent.analysis.features")
every_feature = pytest.mark.parametrize("name", features.names())

SHAPE = (14, 26, 30)
SPACING: Triple = (2.5, 1.2, 1.0)
# Defined whatever the mask; everything else must be undefined for an empty one.
ALWAYS_DEFINED = {"component_count", "fragment_count", "published_count", "lesion_volume_ml"}
# Measured against the lungs, or against nothing but the mask and its image.
NEEDS_LUNGS = {"lesion_in_lungs", "left_right_balance"}


def feature(name: str) -> Feature:
    return features.get(name)()


def lungs() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:12, 3:23, 3:13] = mask[2:12, 3:23, 16:27] = True
    return mask


def modality_of(name: str) -> Modality:
    """The one in which a feature has values; CT where in both."""
    return "CT" if has_meaning_in(features.get(name), "CT") else "MR"


def image() -> np.ndarray:
    return np.random.default_rng(3).integers(-900, 60, SHAPE).astype(np.int16)


def lesions() -> np.ndarray:
    """A hollow piece, an uneven piece and a fragment, none at the border and none of equal size."""
    hollow = shell(SHAPE, SPACING, (17, 15, 9), 6.5, 2.6)
    uneven = ellipsoid(SHAPE, SPACING, (16, 18, 22), (8.5, 5, 3.2))
    mask = hollow | uneven
    mask[11, 4, 4] = True
    return mask


MASKS: dict[str, Callable[[], np.ndarray]] = {
    "lesions": lesions,
    "empty": lambda: np.zeros(SHAPE, bool),
    "one voxel": lambda: _with(np.zeros(SHAPE, bool), (5, 6, 7)),
    "corner voxel": lambda: _with(np.zeros(SHAPE, bool), (0, 0, 0)),
    "full": lambda: np.ones(SHAPE, bool),
    "one slice of many": lambda: _with(np.zeros(SHAPE, bool), (5, slice(4, 20), slice(4, 20))),
    "two like slices": lambda: _with(np.zeros(SHAPE, bool), (slice(5, 7), slice(4, 20), slice(4, 20))),
    "fragments": lambda: np.random.default_rng(0).random(SHAPE) < 0.01,
    "chessboard": lambda: np.indices(SHAPE).sum(axis=0) % 2 == 0,
    "isolated voxels": lambda: (np.indices(SHAPE) % 2 == 0).all(axis=0),
}


def _with(mask: np.ndarray, where: tuple) -> np.ndarray:
    mask[where] = True
    return mask


def make(mask: np.ndarray, **changes: object) -> Case:
    given = {"spacing_mm": SPACING, "array": image(), "lungs": lungs(), **changes}
    return case_of(mask, **given)  # type: ignore[arg-type]


def make_for(name: str, mask: np.ndarray, **changes: object) -> Case:
    return make(mask, modality=modality_of(name), **changes)


def check(name: str, value: float | None) -> None:
    quantity = feature(name).quantity
    assert value is None or (type(value) is float and quantity.accepts(value)), f"{name} = {value!r}"


@every_feature
def test_the_quantity_bears_the_registered_name(name: str) -> None:
    quantity = feature(name).quantity
    assert quantity.name == name
    assert quantity.version >= 1
    assert quantity.label
    assert quantity.label != name
    assert features.get(name).__doc__
    assert len(quantity.cuts) == 31
    assert all(quantity.low <= cut <= quantity.high for cut in quantity.cuts)


@every_feature
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("with_lungs", [True, False])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_value_is_none_or_finite_and_in_its_range(name: str, mask: str, with_lungs: bool, modality: str) -> None:
    case = make(MASKS[mask](), lungs=lungs() if with_lungs else None, modality=modality)
    value = feature(name).compute(case)
    check(name, value)
    if name in ALWAYS_DEFINED:
        assert value is not None
    elif mask == "empty" or not has_meaning_in(features.get(name), modality):  # type: ignore[arg-type]
        assert value is None
    if not with_lungs and name in NEEDS_LUNGS:
        assert value is None


@every_feature
def test_an_ordinary_case_has_every_value(name: str) -> None:
    assert feature(name).compute(make_for(name, lesions())) is not None


@every_feature
@settings(max_examples=15, deadline=None)
@given(shape=st.tuples(*[st.integers(1, 6)] * 3), share=st.floats(0, 1), seed=st.integers(0, 9999))
def test_any_small_mask_has_a_value_or_none(name: str, shape: tuple, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(shape) <= share
    case = case_of(
        mask,
        modality=modality_of(name),
        spacing_mm=(3.0, 2.0, 2.0),
        array=np.zeros(shape, np.int16),
        lungs=random.random(shape) < 0.5,
    )
    check(name, feature(name).compute(case))


@every_feature
def test_nothing_is_changed_and_the_same_comes_out_twice(name: str) -> None:
    case = make_for(name, lesions())
    before = case.mask.copy(), case.volume.array.copy(), lungs()
    first = feature(name).compute(case)
    assert feature(name).compute(case) == first
    assert feature(name).compute(make_for(name, lesions())) == first
    assert case.lungs is not None
    for array, copy in zip((case.mask, case.volume.array, case.lungs), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_feature
def test_arrays_may_be_read_only_and_in_any_layout(name: str) -> None:
    expected = feature(name).compute(make_for(name, lesions()))
    fortran = make_for(
        name, np.asfortranarray(lesions()), array=np.asfortranarray(image()), lungs=np.asfortranarray(lungs())
    )
    assert feature(name).compute(fortran) == pytest.approx(expected)
    frozen = make_for(name, lesions())
    for array in (frozen.mask, frozen.volume.array, frozen.lungs):
        assert array is not None
        array.flags.writeable = False
    assert feature(name).compute(frozen) == expected


@every_feature
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_the_type_of_the_image_does_not_matter(name: str, dtype: type) -> None:
    expected = feature(name).compute(make_for(name, lesions()))
    assert feature(name).compute(make_for(name, lesions(), array=image().astype(dtype))) == pytest.approx(expected)


@every_feature
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_the_type_of_a_mask_does_not_matter(name: str, dtype: type) -> None:
    expected = feature(name).compute(make_for(name, lesions()))
    assert feature(name).compute(make_for(name, lesions().astype(dtype))) == expected


@every_feature
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_turning_everything_over_changes_no_more_than_the_side(name: str, axis: int) -> None:
    expected = feature(name).compute(make_for(name, lesions()))
    turned = make_for(name, np.flip(lesions(), axis), array=np.flip(image(), axis), lungs=np.flip(lungs(), axis))
    value = feature(name).compute(turned)
    assert expected is not None
    sign = -1 if name == "left_right_balance" and axis == 2 else 1
    assert value == pytest.approx(sign * expected)


@every_feature
@pytest.mark.parametrize("shift", [(1, 0, 0), (0, -2, 0), (0, 0, 1), (-1, 2, -1)])
def test_moving_everything_together_changes_nothing(name: str, shift: tuple) -> None:
    expected = feature(name).compute(make_for(name, lesions()))
    mask, array, around = (np.roll(given, shift, (0, 1, 2)) for given in (lesions(), image(), lungs()))
    moved = make_for(name, mask, array=array, lungs=around)
    assert feature(name).compute(moved) == pytest.approx(expected)


@every_feature
def test_more_room_around_the_body_changes_nothing(name: str) -> None:
    expected = feature(name).compute(make_for(name, lesions()))
    room = ((2, 3), (4, 1), (5, 2))
    air = np.pad(image(), room, constant_values=int(image().min()))
    wide = make_for(name, np.pad(lesions(), room), array=air, lungs=np.pad(lungs(), room))
    # The body of MR is found by percentiles, which more air moves a little.
    assert feature(name).compute(wide) == pytest.approx(expected, rel=0.1 if modality_of(name) == "MR" else None)
