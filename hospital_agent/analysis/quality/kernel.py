"""The Gaussian kernel of the support vector machines."""

import numpy as np

from hospital_agent.analysis.quality.inputs import Float64Array


def gaussian_kernel(columns: Float64Array, vectors: Float64Array, gamma: float) -> Float64Array:
    """(N, S) exp(-gamma |column - vector|^2)."""
    squares = np.sum(columns**2, axis=1)[:, None] + np.sum(vectors**2, axis=1) - 2 * columns @ vectors.T
    kernel: Float64Array = np.exp(-gamma * np.maximum(squares, 0.0))
    return kernel


def scale_gamma(columns: Float64Array) -> float:
    """1 / (C x variance of all entries), the default of scikit-learn; 1 where nothing varies."""
    variance = float(columns.var())
    return 1 / (columns.shape[1] * variance) if variance > 0 else 1.0
