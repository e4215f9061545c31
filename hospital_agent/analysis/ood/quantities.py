"""What the feature-space scores have in common as quantities: the raw value at the site, its logarithm on the wire."""

import math

from shared.quantities import CUT_COUNT, Quantity, geometric_cuts

FARTHEST_LOG10 = 2.0


def raw_quantity(name: str, label: str, cuts: tuple[float, float], high: float = math.inf) -> Quantity:
    """The score itself, from 0 to `high`; it stays at the site, since its size depends on the model.

    Args:
        cuts: first and last of 31 cuts with equal ratios.
    """
    return Quantity(
        name=name,
        unit="",
        direction="higher_is_worse",
        low=0.0,
        high=high,
        version=1,
        cuts=geometric_cuts(*cuts),
        label=label,
        monitored=False,
    )


def log10_quantity(name: str, label: str) -> Quantity:
    """`<name>_log10`: log10(score / validation median), 0 for an ordinary case; undefined where the score is 0."""
    return Quantity(
        name=f"{name}_log10",
        unit="log10 ratio",
        direction="higher_is_worse",
        low=-math.inf,
        high=math.inf,
        version=1,
        cuts=_denser_at_zero(),
        label=label,
    )


def _denser_at_zero() -> tuple[float, ...]:
    """31 cuts from a hundredth of the ordinary to a hundred times it, densest around the ordinary."""
    middle = CUT_COUNT // 2
    steps = [(i - middle) / middle for i in range(CUT_COUNT)]
    return tuple(math.copysign(FARTHEST_LOG10 * abs(step) ** 1.5, step) for step in steps)
