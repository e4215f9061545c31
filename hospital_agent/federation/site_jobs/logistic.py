"""The quality model over the judged cases of all sites."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.analysis.quality.bins import FAILED_BINS, BinModel
from hospital_agent.analysis.quality.calibration import Platt, interval_scale
from hospital_agent.analysis.quality.inputs import Encoding, Float64Array, scaled_table
from hospital_agent.analysis.quality.logistic_regression import LogisticQualityModel
from hospital_agent.analysis.quality.view import QualityView
from hospital_agent.federation.asked import JobOptions, NoData, base_model, options_of, privacy_rule
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.jobs.logistic import FederatedLogistic, LocalCases, LogisticJob
from hospital_agent.federation.judged import cases_with_dice, measured_flag
from hospital_agent.federation.looked_at import LookedAt
from hospital_agent.federation.proposals import QUALITY, keep_proposal, quality_file
from hospital_agent.federation.results import keep_result
from hospital_agent.federation.site_jobs import AtSite, Ended, site_jobs
from hospital_agent.federation.steady import steady
from hospital_agent.model_folder import load_model
from hospital_agent.settings import Settings
from shared.federation.messages import Option, Options

SHORT = 16  # digits of a hash in the name of a quantity


@site_jobs.register("logistic")
def logistic(settings: Settings, options: Options) -> AtSite[LocalCases, FederatedLogistic]:
    """The regression of the shipped quality model, on its own inputs, fitted anew to the cases of all sites.

    Undefined values are filled with the medians of the model folder, and told by a column of their own where its
    training had such cases: the same at every site with this model.

    Raises:
        OptionRefused, OtherModel, NoPrivacyRule: the site would not choose this.
        NoData: the model has no quality model of this kind.
    """
    asked = options_of(JobOptions, options)
    folder, digest = base_model(settings, asked)
    policy = privacy_rule(settings)
    quantity = f"logistic/{digest[:SHORT]}/dice"
    view = _view(folder)
    centre, unit = _units(view.encoding)
    job = LogisticJob(centre.size, centre=centre, unit=unit, fewest_patients=max(FEWEST_PATIENTS, policy.k))

    def data() -> LocalCases:
        cases = cases_with_dice(settings, folder)
        columns, dice = columns_of(view.encoding, cases), np.array([case.dice for case in cases], dtype=np.float64)
        patients = [case.patient for case in cases]
        rows = np.column_stack([columns, dice])
        kept = np.array(
            steady(settings, quantity, [(p, row.tobytes()) for p, row in zip(patients, rows, strict=True)], policy.k)
        )
        return LocalCases(columns[kept], dice[kept], [p for p, may in zip(patients, kept, strict=True) if may])

    def conclude(result: FederatedLogistic, ended: Ended) -> Mapping[str, Option]:
        _keep(settings, folder, digest, result, ended)
        cohort = result.standard.cohort
        return {"sites": cohort.sites, "cases": cohort.rows, "patients": cohort.patients, "rounds": result.rounds}

    return AtSite(job, quantity, data, conclude)


def columns_of(encoding: Encoding, cases: Sequence[LookedAt]) -> Float64Array:
    """(N, C) values on their scales, filled, then the columns that tell what was undefined; not yet standardised."""
    table = scaled_table([case.values for case in cases], encoding.inputs)
    missing = np.isnan(table)
    kept = [i for i, scale in enumerate(encoding.indicators) if scale is not None]
    return np.hstack([np.where(missing, encoding.medians, table), missing[:, kept].astype(np.float64)])


def fitted_view(before: QualityView, result: FederatedLogistic) -> QualityView:
    """The view of a quality model with the federated regression in it; what a site measures is still that of before.

    Columns that nowhere varied keep their scale and get the weight 0. The regression is trained with balanced bins;
    the calibration puts the frequencies of all sites back, so it follows from the totals alone.
    """
    standard, model = result.standard, result.model
    means, deviations = _units(before.encoding)
    means[standard.used], deviations[standard.used] = standard.means, standard.deviations
    weights = np.zeros((len(model.bins), means.size))
    weights[:, standard.used] = model.weights
    count = len(before.encoding.inputs)
    told = iter(zip(means[count:].tolist(), deviations[count:].tolist(), strict=True))
    encoding = replace(
        before.encoding,
        means=tuple(means[:count].tolist()),
        deviations=tuple(deviations[:count].tolist()),
        indicators=tuple(None if scale is None else next(told) for scale in before.encoding.indicators),
    )
    below = model.bins < FAILED_BINS
    odds = model.frequencies[below].sum() / model.frequencies[~below].sum() * (~below).sum() / below.sum()
    return replace(
        before,
        encoding=encoding,
        estimator=BinModel(model.bins, model.frequencies, weights, model.intercepts),
        platt=Platt(1.0, float(np.log(odds))),
    )


def _view(folder: Path) -> QualityView:
    quality = load_model(folder, with_network=False).quality
    if not isinstance(quality, LogisticQualityModel):
        raise NoData("The model at this site has no quality model that is a logistic regression.")
    return quality.views[0]


def _units(encoding: Encoding) -> tuple[Float64Array, Float64Array]:
    told = [scale for scale in encoding.indicators if scale is not None]
    centre = np.array([*encoding.means, *(mean for mean, _ in told)])
    return centre, np.array([*encoding.deviations, *(deviation for _, deviation in told)])


def _keep(settings: Settings, folder: Path, digest: str, result: FederatedLogistic, ended: Ended) -> None:
    """Propose the model where this site can measure its flag and interval; else keep what was found, for people."""
    quality = load_model(folder, with_network=False).quality
    assert isinstance(quality, LogisticQualityModel)  # noqa: S101 - the job was not begun without
    view, cohort = fitted_view(quality.views[0], result), result.standard.cohort
    told = {"cases": cohort.rows, "patients": cohort.patients, "rounds": result.rounds}
    try:
        measured = _measured(view, cases_with_dice(settings, folder), result)
    except NoData:
        measured = None
    if measured is None:
        keep_result(settings, "logistic", ended, {**told, "view": view.to_json()})
        return
    fresh = LogisticQualityModel(f"fed.{ended.run[:8]}", (measured, *quality.views[1:]))
    files = {QUALITY: quality_file(LogisticQualityModel.kind, fresh.to_json())}
    keep_proposal(settings, "logistic", digest, ended, told, files)


def _measured(view: QualityView, cases: Sequence[LookedAt], result: FederatedLogistic) -> QualityView | None:
    """With threshold, interval and flag quality of this site's own cases; None with too few of them to measure.

    The regression has seen these cases, among those of all sites; the words beside the figures say so.
    """
    columns = view.encoding.encode([case.values for case in cases])
    truth = np.array([case.dice for case in cases], dtype=np.float64)
    patients = [case.patient for case in cases]
    probability = view.platt.probability(view.estimator.failure_log_odds(columns))
    threshold = _threshold(view, probability[truth >= FAILED_BELOW_DICE])
    words = f"{len(cases)} own cases of {len(set(patients))} patients, seen in the federated fit"
    flag = measured_flag(cases, (probability > threshold).tolist(), words)
    if flag is None:
        return None
    expected, deviation = view.estimator.expected_dice(columns)
    return replace(
        view,
        threshold=threshold,
        interval_scale=interval_scale(np.abs(truth - expected) / deviation, patients, view.interval_level),
        patient_count=result.standard.cohort.patients,
        case_count=result.standard.cohort.rows,
        measured_on=words,
        flag_quality=flag,
        assessment={},
    )


def _threshold(view: QualityView, good: Float64Array) -> float:
    """So that the flag spares as many good masks here as it was measured to spare before."""
    wanted = min(max(view.flag_quality.specificity.estimate, 0.5), 0.99)
    rank = int(np.ceil(wanted * (good.size + 1) - 1e-9))
    return 1.0 if rank > good.size else float(np.sort(good)[rank - 1])
