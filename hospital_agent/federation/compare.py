"""How a proposed version does at this site beside the one in use, before anybody puts it to use.

On the site's own images with a reference mask; without one on analytic phantoms, whose lesions are known but which are
no patients. A reference that holds this site's patients is judged without the patient in question.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.analysis.normalise import log_ratios, normalised
from hospital_agent.analysis.ood.gaussian import CompactGaussian, Gaussian
from hospital_agent.analysis.ood.moments import GaussianMoments
from hospital_agent.federation.looked_at import LookedAt
from hospital_agent.federation.own_scale import left_out_values, whole_values
from hospital_agent.model_folder import LoadedModel, load_model
from hospital_agent.pipeline import Values

FAILED_BELOW = 0.6  # Dice
FEWEST_CASES = 5  # with a Dice, for a rank correlation
WORSE_BY = 0.1  # of the rank correlation, above which a version is not accepted without a word


@dataclass(frozen=True)
class Judged:
    """One version on some cases.

    Args:
        rank_correlation: of distance and 1 - Dice, in [-1, 1]; None with fewer than 5 cases or where one is constant.
        share_over: of cases that lie farther away than every validation case of the version.
        share_flagged: of cases that its quality model flags.
        found: share of the failed masks (Dice < 0.6) that it flags; None where none has failed.
    """

    rank_correlation: float | None
    share_over: float | None
    share_flagged: float | None
    found: float | None


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same cases.

    Args:
        on: what the cases are.
        cases, patients: how many.
    """

    on: str
    cases: int
    patients: int
    before: Judged
    after: Judged

    @property
    def objection(self) -> str | None:
        """Why the proposed version should not be put to use without a second thought; None where there is no reason."""
        before, after = self.before.rank_correlation, self.after.rank_correlation
        if after is None or before is None:
            return "too few cases differ in Dice to say which of the two versions follows it better"
        if after < before - WORSE_BY:
            return "distances of the proposed version follow the Dice of these cases less than those of the one in use"
        if (self.after.found or 0.0) < (self.before.found or 0.0):
            return "the proposed version flags fewer of the masks that have failed"
        return None


def compare(
    before: Path,
    after: Path,
    score: str,
    cases: Sequence[LookedAt],
    on: str,
    inside: tuple[Collection[str], Collection[str]],
) -> Comparison:
    """Judge both versions.

    Args:
        before, after: model folders.
        score: whose distances are compared.
        on: what the cases are, for people.
        inside: the patients who are in the reference of each, and can be taken out of it.
    """
    known = [case for case in cases if case.dice is not None and score in case.rows]
    judged = [
        _judged(load_model(folder, with_network=False), score, known, told)
        for folder, told in zip((before, after), inside, strict=True)
    ]
    return Comparison(on, len(known), len({case.patient for case in known}), *judged)


def gaussian_of(fitted: Any) -> Gaussian:
    """The Gaussian of a score of one Gaussian."""
    found: Gaussian = fitted.gaussian if hasattr(fitted, "gaussian") else fitted.reference.gaussian
    return found


def _judged(model: LoadedModel, score: str, cases: Sequence[LookedAt], inside: Collection[str]) -> Judged:
    found = _values(model.ood[score], score, cases, inside)
    defined = [(case, value) for case, value in zip(cases, found, strict=True) if value is not None]
    values = np.array([value for _, value in defined])
    wrong = np.array([1 - (case.dice or 0.0) for case, _ in defined])  # only cases with a Dice come here
    scale, flags = model.validation.get(score), None
    if model.quality is not None and defined:
        told = [(case.empty, _with(case, score, value, model)) for case, value in defined]
        flags = np.array([model.quality.predict(values_, empty=empty).flagged for empty, values_ in told], dtype=bool)
    failed = wrong > 1 - FAILED_BELOW
    return Judged(
        rank_correlation=rank_correlation(values, wrong),
        share_over=None if scale is None or not defined else float(np.mean(values > scale.high)),
        share_flagged=None if flags is None else float(flags.mean()),
        found=None if flags is None or not failed.any() else float(flags[failed].mean()),
    )


def _values(fitted: Any, score: str, cases: Sequence[LookedAt], inside: Collection[str]) -> list[float | None]:
    gaussian = gaussian_of(fitted)
    weight = fitted.weight if hasattr(fitted, "weight") else fitted.reference.weight
    count = fitted.patch_count if hasattr(fitted, "patch_count") else fitted.reference.row_count
    if not inside or not weight.weight < 1:
        return whole_values(cases, score, gaussian)
    moments = moments_of(gaussian, count, weight.weight)
    return left_out_values(cases, score, moments, weight.weight, gaussian, inside)


def moments_of(gaussian: Any, count: int, weight: float) -> GaussianMoments:
    """The moments that a Gaussian was fitted to: `fit_gaussian` backwards.

    Shrinking towards the mean variance keeps the trace, so the isotropic part is known and can be taken off again.

    Args:
        count: of rows.
        weight: the shrinkage weight, below 1.

    Raises:
        TooFewCases: with a weight of 1 nothing of the covariance is left but its trace.
    """
    if not weight < 1:
        raise TooFewCases("A Gaussian that was shrunk all the way says nothing of the covariance.")
    dimension = gaussian.dimension
    if isinstance(gaussian, CompactGaussian):
        along = np.maximum(gaussian.variances - gaussian.floor, 0.0) * count / (1 - weight)
        return GaussianMoments(count, gaussian.mean, np.sqrt(along)[:, None] * gaussian.axes)
    covariance = gaussian.cholesky @ gaussian.cholesky.T
    floor = weight * float(np.trace(covariance)) / dimension
    scatter = (covariance - floor * np.eye(dimension)) * (count / (1 - weight))
    return GaussianMoments(count, gaussian.mean, np.zeros((0, dimension)), scatter)


def _with(case: LookedAt, score: str, value: float, model: LoadedModel) -> Values:
    """The values of the case as it would be analysed under a version: its distance, and what is made of it."""
    ranges = {score: model.validation[score]} if score in model.validation else {}
    fresh: dict[str, float | None] = {score: value}
    return {**case.values, **fresh, **log_ratios(fresh, ranges), **normalised(fresh, ranges)}


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Spearman's; None with fewer than 5 cases, or where either is constant."""
    if len(one) < FEWEST_CASES or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
