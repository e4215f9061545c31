"""Newton steps whose derivatives are sums: the same path at every site, from the totals alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from hospital_agent.federation.jobs import Float64Array

GRADIENT = 1e-9  # largest entry at which the coefficients have settled, of a mean over cases
ARMIJO = 1e-4  # share of the promised fall of the loss that a step must keep
ROUNDING = 1e-10  # of the loss


@dataclass(frozen=True, eq=False)
class Problem:
    """Multinomial logistic regression with balanced bins and ridge penalty 1/2 ||weights||^2 (C = 1), over all cases.

    Everything is divided by the number of cases. Of two bins the first is fixed at 0, as in scikit-learn, where the
    penalty then rests on one row of weights; of more, all have a row, and intercepts add to 0.

    Args:
        bins: (K,) that occur.
        frequencies: (K,) their shares of the cases.
        columns: C.
        cases: of all sites.
    """

    bins: NDArray[np.int64]
    frequencies: Float64Array
    columns: int
    cases: int

    @property
    def _first(self) -> int:
        """The first bin that has coefficients."""
        return 1 if self.bins.size == 2 else 0

    @property
    def count(self) -> int:
        """Number of coefficients."""
        return (self.bins.size - self._first) * (self.columns + 1)

    @property
    def size(self) -> int:
        """Loss, gradient and upper triangle of the Hessian."""
        return 1 + self.count + self.count * (self.count + 1) // 2

    def table(self, coefficients: Float64Array) -> Float64Array:
        """(K, C + 1) weights and intercept of each bin."""
        rows = coefficients.reshape(-1, self.columns + 1)
        return np.vstack([np.zeros((self._first, self.columns + 1)), rows])

    def derivatives(self, coefficients: Float64Array, columns: Float64Array, bins: NDArray[np.int64]) -> Float64Array:
        """(size,) one site's part of loss, gradient and Hessian, without the penalty.

        Args:
            columns: (N, C) standardised.
            bins: (N,) of Dice.
        """
        inputs = np.column_stack([columns, np.ones(len(columns))])
        logits = inputs @ self.table(coefficients).T
        log_sum = np.logaddexp.reduce(logits, axis=1)
        place = np.searchsorted(self.bins, bins)
        weight = 1.0 / (self.bins.size * self.frequencies[place] * self.cases)
        loss = float(weight @ (log_sum - logits[np.arange(len(place)), place]))
        chances = np.exp(logits - log_sum[:, None])
        surplus = chances - (place[:, None] == np.arange(self.bins.size))
        gradient = (surplus * weight[:, None]).T @ inputs
        hessian = self._hessian(chances, weight, inputs)
        return np.concatenate([[loss], gradient[self._first :].ravel(), hessian[np.triu_indices(self.count)]])

    def _hessian(self, chances: Float64Array, weight: Float64Array, inputs: Float64Array) -> Float64Array:
        width = self.columns + 1
        hessian = np.empty((self.count, self.count))
        active = range(self._first, self.bins.size)
        for a in active:
            for b in active:
                curve = weight * chances[:, a] * ((a == b) - chances[:, b])
                rows, columns = ((i - self._first) * width for i in (a, b))
                hessian[rows : rows + width, columns : columns + width] = (inputs * curve[:, None]).T @ inputs
        return hessian

    def penalised(self, total: Float64Array, coefficients: Float64Array) -> tuple[float, Float64Array, Float64Array]:
        """Loss, gradient and Hessian of everybody, with the penalty on weights and none on intercepts."""
        ridge = np.ones((self.count // (self.columns + 1), self.columns + 1))
        ridge[:, -1] = 0.0
        penalty = ridge.ravel() / self.cases
        upper = np.zeros((self.count, self.count))
        upper[np.triu_indices(self.count)] = total[1 + self.count :]
        hessian = upper + np.triu(upper, 1).T + np.diag(penalty)
        if self._first == 0:  # nothing changes when all intercepts grow together: hold their sum
            hessian += np.outer(1.0 - ridge.ravel(), 1.0 - ridge.ravel())
        loss = float(total[0] + 0.5 * penalty @ np.square(coefficients))
        return loss, total[1 : 1 + self.count] + penalty * coefficients, hessian


@dataclass(frozen=True, eq=False)
class Walk:
    """Where the totals so far have led.

    Args:
        next: coefficients at which the next derivatives are wanted; the answer, where `arrived`.
        arrived: whether the gradient has vanished.
    """

    next: Float64Array
    arrived: bool

    @classmethod
    def along(cls, problem: Problem, totals: Sequence[Float64Array]) -> "Walk":
        """From 0, a Newton step a total; halved where the loss did not fall as it should."""
        place = point = np.zeros(problem.count)
        loss, slope, length = np.inf, 0.0, 1.0
        direction = point
        for total in totals:
            found, gradient, hessian = problem.penalised(total, point)
            if found > loss + ARMIJO * length * slope + ROUNDING:
                length /= 2
            else:
                place, loss, length = point, found, 1.0
                direction = -scipy.linalg.solve(hessian, gradient, assume_a="pos")
                slope = float(gradient @ direction)
                if np.abs(gradient).max() <= GRADIENT:  # the last step is so small that it needs no look back
                    return cls(place + direction, True)
            point = place + length * direction
        return cls(point, False)
