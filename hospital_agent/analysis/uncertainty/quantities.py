"""What the uncertainties of a case have in common as quantities: from certain to ignorant, higher is worse."""

from typing import Literal

from shared.quantities import Quantity, linear_cuts


def uncertainty_quantity(
    name: str,
    label: str,
    cuts: tuple[float, ...] | None = None,
    *,
    unit: Literal["fraction", "bit"] = "fraction",
    low: float = 0.0,
    high: float = 1.0,
    version: int = 1,
    monitored: bool = False,
) -> Quantity:
    """A score from `low`, certain, to `high`, ignorant.

    Args:
        cuts: 31 of them; equally spaced over the whole range where nothing else is said.
        monitored: whether it is watched for drift. Most move together with one that is, and stay at the site.
    """
    return Quantity(
        name=name,
        unit=unit,
        direction="higher_is_worse",
        low=low,
        high=high,
        version=version,
        cuts=linear_cuts(low, high) if cuts is None else cuts,
        label=label,
        monitored=monitored,
    )
