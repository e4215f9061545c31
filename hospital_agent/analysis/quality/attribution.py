"""What each input contributed to one answer, for a model of any form: Shapley values over sampled orders."""

from collections.abc import Callable, Sequence

import numpy as np

from hospital_agent.analysis.quality.inputs import Float64Array

ORDERS = 16  # each is walked forwards and backwards


def contributions(
    answer: Callable[[Float64Array], Float64Array], start: Float64Array, case: Float64Array, owners: Sequence[str]
) -> dict[str, float]:
    """Name of an input -> its share in answer(case) - answer(start).

    One walks from the start (the training mean) to the case, putting in one input after the other, and notes by how
    much the answer changes at each step; the shares are averages over several orders. Along every walk the steps sum
    to the whole difference, so the shares do as well, exactly, for a model of any form. For a model that is a sum
    over inputs every order gives the same, so the shares are exact; otherwise they are estimates of the Shapley
    values from fixed orders, the same every time.

    Args:
        answer: (N, C) columns -> (N,) answers.
        start, case: (C,).
        owners: (C,) the input to which each column belongs; columns of one input are put in together.

    Source:
        Castro, Gómez, Tejada, "Polynomial calculation of the Shapley value based on sampling", 2009; each order is
        also walked backwards (Mitchell et al. 2022, antithetic sampling).
    """
    names = tuple(dict.fromkeys(owners))
    if not names:
        return {}
    own = np.equal.outer(np.array(names), np.asarray(owners))  # (inputs, C)
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(len(names)), (ORDERS, 1)), axis=1)
    orders = np.vstack([drawn, drawn[:, ::-1]])
    walks = np.zeros((len(orders), len(names) + 1, len(start)), dtype=np.bool_)  # which columns are the case's by then
    walks[:, 1:] = np.cumsum(own[orders], axis=1) > 0
    answers = answer(np.where(walks, case, start).reshape(-1, len(start))).reshape(len(orders), -1)
    shares = np.zeros(len(names))
    np.add.at(shares, orders, np.diff(answers, axis=1))
    return {name: float(share) for name, share in zip(names, shares / len(orders), strict=True)}
