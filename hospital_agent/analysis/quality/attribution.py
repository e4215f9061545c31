"""What each column contributed to one answer, for a model of any form: Shapley values over sampled orders."""

from collections.abc import Callable, Sequence

import numpy as np

from hospital_agent.analysis.quality.inputs import Float64Array

ORDERS = 16  # each is walked forwards and backwards


def contributions(
    answer: Callable[[Float64Array], Float64Array], start: Float64Array, case: Float64Array
) -> Float64Array:
    """(C,) share of each column in answer(case) - answer(start).

    One walks from the start (the training mean) to the case, putting in one column after the other, and notes by how
    much the answer changes at each step; the shares are averages over several orders. Along every walk the steps sum
    to the whole difference, so the shares do as well, exactly, for a model of any form. For a model that is a sum
    over columns every order gives the same, so the shares are exact; otherwise they are estimates of the Shapley
    values from fixed orders, the same every time.

    Args:
        answer: (N, C) columns -> (N,) answers.
        start, case: (C,).

    Source:
        Castro, Gómez, Tejada, "Polynomial calculation of the Shapley value based on sampling", 2009; each order is
        also walked backwards (Mitchell et al. 2022, antithetic sampling).
    """
    count = start.size
    drawn = np.random.default_rng(0).permuted(np.tile(np.arange(count), (ORDERS, 1)), axis=1)
    orders = np.vstack([drawn, drawn[:, ::-1]])
    of_case = np.zeros((len(orders), count + 1, count), dtype=np.bool_)  # which columns are the case's by then
    of_case[:, 1:] = np.cumsum(np.eye(count, dtype=np.bool_)[orders], axis=1) > 0
    answers = answer(np.where(of_case, case, start).reshape(-1, count)).reshape(len(orders), -1)
    shares = np.zeros(count)
    np.add.at(shares, orders, np.diff(answers, axis=1))
    return shares / len(orders)


def by_owner(shares: Float64Array, owners: Sequence[str]) -> dict[str, float]:
    """Name -> sum of the shares of the columns that belong to it."""
    told = dict.fromkeys(owners, 0.0)
    for name, share in zip(owners, shares, strict=True):
        told[name] += float(share)
    return told
