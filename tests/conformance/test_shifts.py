"""Laws that every registered shift family obeys. There is no list of exceptions."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.simulation.shifts import STRENGTHS, NoSuchStrength, Shift, apply, choose, families
from shared.errors import UnknownName
from tests.phantoms import ellipsoid

NAMES = families().names()
VARIANTS = [(name, variant) for name, family in families().items() for variant in family.variants]
every_family = pytest.mark.parametrize("family", NAMES)
every_variant = pytest.mark.parametrize(("family", "variant"), VARIANTS)
every_modality = pytest.mark.parametrize("modality", ["MR", "CT"])
SHAPE = (7, 32, 24)


def body(modality: str, shape: tuple[int, int, int] = SHAPE, scale: float = 1.0) -> Volume:
    """An ellipsoid of tissue with a hollow and an off-centre bright organ, a little rough everywhere."""
    size = np.array(shape, dtype=float)
    middle = tuple(size / 2)
    array = np.full(shape, 0.02)
    array[ellipsoid(shape, (1, 1, 1), middle, tuple(size * (0.6, 0.4, 0.42)))] = 0.5
    array[ellipsoid(shape, (1, 1, 1), tuple(size * (0.5, 0.4, 0.4)), tuple(size * (0.4, 0.15, 0.2)))] = 1.0
    array[ellipsoid(shape, (1, 1, 1), tuple(size * (0.5, 0.6, 0.65)), tuple(size * (0.5, 0.15, 0.15)))] = 0.1
    array += 0.02 * np.random.default_rng(0).random(shape)
    if modality == "CT":
        return Volume((1040 * array - 1024).astype(np.int16), (2.5, 1.0, 1.0), (1.0, 2.0, 3.0), "CT")
    return Volume((scale * array).astype(np.float32), (2.5, 1.0, 1.0), (1.0, 2.0, 3.0), "MR")


def drawn(family: str, variant: str, strength: int, seed: int = 0) -> Shift:
    parameters = families().get(family).variants[variant].draw(strength, np.random.default_rng(seed))
    return Shift(family, strength, variant, parameters)


@every_family
def test_draws_each_of_its_variants_and_says_what_they_are(family: str) -> None:
    variants = families().get(family).variants
    rng = np.random.default_rng(0)
    assert len(variants) >= 2
    assert {choose(family, 1, rng).variant for _ in range(60)} == set(variants)
    assert families().get(family).title
    assert all(variant.__doc__ for variant in variants.values())


@every_variant
@every_modality
@pytest.mark.parametrize("strength", STRENGTHS)
def test_changes_values_and_nothing_else(family: str, variant: str, modality: str, strength: int) -> None:
    volume = body(modality)
    before = volume.array.copy()
    volume.array.flags.writeable = False
    shifted = apply(drawn(family, variant, strength), volume)
    np.testing.assert_array_equal(volume.array, before)
    assert shifted.array.dtype == np.float32
    assert (shifted.shape, shifted.spacing_mm) == (volume.shape, volume.spacing_mm)
    assert (shifted.origin_mm, shifted.modality) == (volume.origin_mm, volume.modality)
    assert np.isfinite(shifted.array).all()
    assert not np.array_equal(shifted.array, before)
    assert shifted.array.min() >= (-1024 if modality == "CT" else 0)
    assert modality == "MR" or shifted.array.max() <= 3071


@every_variant
@every_modality
def test_draws_nothing_when_applied_and_survives_json(family: str, variant: str, modality: str) -> None:
    for seed in range(3):
        shift = drawn(family, variant, 2, seed)
        again = Shift.from_json(json.loads(json.dumps(shift.to_json(), allow_nan=False)))
        assert again == shift == drawn(family, variant, 2, seed)
        assert again != drawn(family, variant, 2, seed + 99)
        np.testing.assert_array_equal(apply(again, body(modality)).array, apply(shift, body(modality)).array)


@every_variant
@every_modality
def test_a_higher_strength_changes_more(family: str, variant: str, modality: str) -> None:
    volume = body(modality)
    for_strength = [
        np.mean([np.abs(apply(drawn(family, variant, strength, seed), volume).array - volume.array).mean()
                 for seed in range(8)])
        for strength in STRENGTHS
    ]  # fmt: skip
    assert 0 < for_strength[0] * 1.3 < for_strength[1]
    assert for_strength[1] * 1.15 < for_strength[2]


@every_variant
@pytest.mark.parametrize("factor", [10.0, 3e-4])
def test_a_brighter_image_is_shifted_to_a_brighter_result(family: str, variant: str, factor: float) -> None:
    shift = drawn(family, variant, 3)
    once, scaled = (apply(shift, body("MR", scale=scale)).array for scale in (1.0, factor))
    np.testing.assert_allclose(scaled, once * np.float32(factor), rtol=1e-4, atol=2e-6 * factor)


@every_variant
def test_a_normalised_image_with_negative_values_is_shifted_like_the_same_image_without(
    family: str, variant: str
) -> None:
    shift, volume = drawn(family, variant, 2), body("MR")
    raised = replace(volume, array=volume.array - volume.array.min())
    lowered = replace(volume, array=raised.array - np.float32(0.75))
    np.testing.assert_allclose(apply(shift, lowered).array, apply(shift, raised).array - 0.75, atol=1e-5)


@every_variant
@every_modality
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 2), (5, 1, 9)])
def test_survives_grids_of_any_size(family: str, variant: str, modality: str, shape: tuple[int, int, int]) -> None:
    for strength in STRENGTHS:
        shifted = apply(drawn(family, variant, strength, strength), body(modality, shape))
        assert shifted.shape == shape
        assert np.isfinite(shifted.array).all()


@every_variant
@every_modality
@pytest.mark.parametrize("value", [0, -1024, 30000])
def test_survives_images_without_contrast(family: str, variant: str, modality: str, value: int) -> None:
    for array in (np.full((4, 8, 6), value, np.int16), np.pad(np.full((1, 1, 1), value, np.int16), ((2, 2),) * 3)):
        shifted = apply(drawn(family, variant, 3), Volume(array, (1.0, 1.0, 1.0), modality=modality))
        assert np.isfinite(shifted.array).all()
        assert modality == "MR" or (shifted.array.min() >= -1024 and shifted.array.max() <= 3071)


@every_family
@pytest.mark.parametrize("strength", [0, 4, -1])
def test_other_strengths_are_refused_by_name(family: str, strength: int) -> None:
    with pytest.raises(NoSuchStrength, match=rf"1 \(mild\), 2 or 3 \(severe\), not {strength};"):
        choose(family, strength, np.random.default_rng(0))


@every_family
def test_a_misspelt_family_is_answered_with_the_right_one(family: str) -> None:
    with pytest.raises(UnknownName, match=f"Did you mean '{family}'"):
        choose(family[:-1], 1, np.random.default_rng(0))
