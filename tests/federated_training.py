"""A site that trains where the truth is known."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Downhill:
    """Training is gradient steps on |weights - goal|^2 / 2; the nearer the goal, the better the Dice."""

    def __init__(self, goal: ArrayLike, cases: int, judged: int = 2, pace: float = 0.5) -> None:
        self.goal, self.pace = np.asarray(goal, dtype=np.float64), pace
        self.cases = self.patients = cases
        self.judged_cases = judged

    def trained(self, weights: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """One step."""
        step: NDArray[np.float64] = weights + self.pace * (self.goal - weights)
        return step

    def dice_sum(self, weights: NDArray[np.float64]) -> float:
        """Of the held-out cases."""
        return self.judged_cases / (1 + float(np.linalg.norm(self.goal - weights)))
