"""What the jobs about a model reference share: its rows at a site, its units, and how one is proposed."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hospital_agent.analysis.ood.gaussian import CompactGaussian, DenseGaussian, Gaussian
from hospital_agent.analysis.ood.moments import Float64Array
from hospital_agent.analysis.ood.reference import GaussianReference
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.jobs.rows import LocalRows, Units
from hospital_agent.federation.looked_at import OF_ONE_GAUSSIAN, LookedAt, look_at_images
from hospital_agent.federation.own_scale import range_of
from hospital_agent.federation.proposals import OWN_PATIENTS, REFERENCE, keep_proposal, patients_file, reference_file
from hospital_agent.federation.site_jobs import Ended
from hospital_agent.federation.steady import steady
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings

SHORT = 16  # digits of a hash in the name of a quantity


def reference_in(folder: Path, score: str) -> GaussianReference:
    """The reference of a score in a model folder.

    Raises:
        NoData: the folder has none for this score.
    """
    fitted: Any = load_model(folder, with_network=False).ood.get(score)
    if fitted is None:
        raise NoData("The model at this site has no reference for this score.")
    return fitted if isinstance(fitted, GaussianReference) else GaussianReference.from_state(fitted.state())


def units_of(gaussian: Gaussian) -> Units:
    """Mean and standard deviation of each feature under a fitted Gaussian."""
    mean: Float64Array = gaussian.mean  # type: ignore[attr-defined]
    return Units.given(gaussian.dimension, mean, np.sqrt(_variances(gaussian)))


def quantity_of(digest: str, score: str) -> str:
    """What sums over the rows of a score are of: one name for all jobs over them, since all tell counts and sums."""
    return f"rows/{digest[:SHORT]}/{score}"


def rows_at(settings: Settings, folder: Path, score: str, quantity: str, k: int) -> LocalRows:
    """The rows that a score looks at in the images of the site, of the patients who may be given (`steady`).

    Raises:
        NoData: there is none.
        TooFewChanged: too few patients have changed since the last sum.
    """
    found = [case for case in look_at_images(settings, folder) if score in case.rows]
    if not found:
        raise NoData("The model shows nothing of this score in the images of this site.")
    kept = steady(settings, quantity, [(case.patient, case.rows[score].rows.tobytes()) for case in found], k)
    cases = [case for case, given in zip(found, kept, strict=True) if given]
    tables = [case.rows[score].rows for case in cases]
    patients = [case.patient for case, table in zip(cases, tables, strict=True) for _ in range(len(table))]
    return LocalRows(np.concatenate(tables), patients)


def propose(
    settings: Settings, job: str, digest: str, ended: Ended, score: str, reference: GaussianReference,
    cases: Sequence[LookedAt], values: Sequence[float | None], inside: Collection[str], told: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write the fitted score with its scale at this site; nothing is put to use.

    Args:
        cases, values: of the site, and the score of each, from which the scale is taken.
        inside: the patients of this site who are in the reference, and can be taken out of it again.
        told: more for the card.

    Raises:
        NoData: no patient has a value.
    """
    scale = range_of(cases, values)
    if scale is None:
        raise NoData("This site has no patient from whom the reference could get its scale.")
    card = {
        "score": score,
        "rows": reference.row_count,
        "patients": reference.patient_count,
        "weight": reference.weight.weight,
        "range": [scale.low, scale.median, scale.high],
        "range_from": len({case.patient for case in cases}),
        **told,
    }
    fitted = OF_ONE_GAUSSIAN[score].from_state(reference.state())
    files = {REFERENCE: reference_file(fitted), OWN_PATIENTS: patients_file(inside)}
    keep_proposal(settings, job, digest, ended, card, files)


def _variances(gaussian: Gaussian) -> Float64Array:
    if isinstance(gaussian, CompactGaussian):
        along: Float64Array = np.square(gaussian.axes).T @ (gaussian.variances - gaussian.floor)
        return along + gaussian.floor
    assert isinstance(gaussian, DenseGaussian)  # noqa: S101 - there are two forms
    squares: Float64Array = np.square(gaussian.cholesky).sum(axis=1)
    return squares
