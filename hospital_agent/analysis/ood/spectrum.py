"""Singular values of a feature map (voxels x channels) and the signatures made of them. Pure functions on arrays.

The map has millions of voxels and tens of channels, so the singular values are taken from the small Gram matrix of the
channels, which adds over tiles: s = sqrt(eigenvalues). Squaring costs half of the digits: values below 1e-5 of the
largest would drown in rounding, and are found by a decomposition of the map itself or, where only the Gram matrix was
kept, raised to that floor.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hospital_agent.analysis.errors import AnalysisError, FeatureShapeError
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.analysis.ood.products import summed_products

GRAM_SAFE_RATIO = 1e5  # s_max / s_min up to which the Gram matrix gives singular values to 1e-6
FLOOR = 1 / GRAM_SAFE_RATIO  # relative to s_max


def gram_of(feature_map: ArrayLike, threads: int = 1) -> Float64Array:
    """(C, C) sum over voxels of the outer product of the channels, in float64, a block of voxels at a time.

    Args:
        feature_map: (..., C), channels last; any number of spatial axes.
        threads: at most this many are used; the sum does not depend on it.

    Raises:
        FeatureShapeError: no spatial axis, or no voxel.
    """
    return summed_products(_voxel_rows(feature_map).T, threads=threads)


def singular_values_of_gram(gram: ArrayLike) -> Float64Array:
    """(C,) singular values, largest first, >= 0; those below `FLOOR` of the largest are not to be trusted.

    Raises:
        FeatureShapeError: not a square matrix.
        AnalysisError: an entry is not a finite number.
    """
    matrix = np.asarray(gram, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise FeatureShapeError(f"A Gram matrix is square, not of shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise AnalysisError("The features hold values that are not finite numbers.")
    values: Float64Array = np.sqrt(np.maximum(np.linalg.eigvalsh(matrix)[::-1], 0.0))
    return values


def singular_values(feature_map: ArrayLike, threads: int = 1) -> Float64Array:
    """(C,) singular values of a feature map (..., C), largest first; zeros are appended where voxels are too few.

    From the Gram matrix while s_max / s_min is at most 1e5. Beyond that by a singular value decomposition, which is
    about twenty times slower, with a warning.

    Raises:
        FeatureShapeError: no spatial axis, or no voxel.
        AnalysisError: a feature is not a finite number.

    Example:
        >>> singular_values(np.diag([1.0, 3.0, 2.0]))
        array([3., 2., 1.])
    """
    values = singular_values_of_gram(gram_of(feature_map, threads))
    if values[0] <= GRAM_SAFE_RATIO * values[-1]:  # also where all are 0
        return values
    warnings.warn(
        "The singular values span more than five decades: they are taken from the whole feature map, which is slow.",
        stacklevel=2,
    )
    rows = _voxel_rows(feature_map).astype(np.float64)
    exact = np.linalg.svd(rows, compute_uv=False)
    return np.pad(exact, (0, rows.shape[1] - exact.size))


def paper_signature(values: ArrayLike) -> Float64Array:
    """(..., C) log of the singular values, divided by its own Euclidean length: the signature as published.

    It changes with the intensity and with the size of the image, against what the paper says of it: a factor on all
    values adds a constant to all logarithms, and dividing by the length does not take that away.

    Args:
        values: (..., C) singular values, largest > 0; those below 1e-5 of the largest are raised to that.

    Source:
        Karimi and Gholipour 2022, III-D. Differs: the floor, where a dead channel would give -inf.
    """
    logs = np.log(_floored(values))
    lengths = np.linalg.norm(logs, axis=-1, keepdims=True)
    signature: Float64Array = np.divide(logs, lengths, out=np.zeros_like(logs), where=lengths > 0)
    return signature


def invariant_signature(values: ArrayLike) -> Float64Array:
    """(..., C) log(s / ||s||_2): the same for every scale of the intensities and for every number of like voxels.

    It is not normalised again: two spectra that decay at different rates must differ.

    Args:
        values: (..., C) singular values, largest > 0; those below 1e-5 of the largest are raised to that.
    """
    floored = _floored(values)
    signature: Float64Array = np.log(floored / np.linalg.norm(floored, axis=-1, keepdims=True))
    return signature


def _floored(values: ArrayLike) -> Float64Array:
    found = np.asarray(values, dtype=np.float64)
    largest = found.max(axis=-1, keepdims=True)
    if not np.isfinite(found).all() or not (largest > 0).all():
        raise AnalysisError("A spectrum has finite values, the largest above 0.")
    floored: Float64Array = np.maximum(found, FLOOR * largest)
    return floored


def _voxel_rows(feature_map: ArrayLike) -> NDArray[np.floating]:
    features = np.asarray(feature_map)
    if features.ndim < 2 or features.size == 0:
        raise FeatureShapeError(f"A feature map has voxels and channels, not shape {features.shape}.")
    return features.reshape(-1, features.shape[-1])
