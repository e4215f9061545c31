"""What a model from elsewhere looks like on its own cases: fitted scores, their scale, and a quality model.

    cases -> one pass each -> scores fitted on all -> their scale from left-out patients -> a quality model -> folder

The scale of a score comes from people whom its reference had never seen (docs/decisions/0005): each feature-space score
is fitted again without a group of patients and computed for those. Confidences need no fit, and their scale is over all
cases; whether the network itself had seen these people is for whoever chooses the images to know.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hospital_agent.analysis.errors import NotApplicable, TooFewCases
from hospital_agent.analysis.imaging.slices import Slices, slices_of
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.normalise import ValidationRange, log_ratios, normalised
from hospital_agent.analysis.ood import Observation, OodScore, ood_scores
from hospital_agent.analysis.quality import QualityModel
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.errors import CaseFailed, InputRefused
from hospital_agent.fitting_inputs import Input
from hospital_agent.ingest.series import read_series
from hospital_agent.pipeline import Values, analyse_case
from hospital_agent.toolkit import Toolkit
from shared.quantities import Direction

MOST_FOLDS = 10
NO_SHIFT = "none"  # the group of a case that nobody changed
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Seen:
    """What one pass over an image left.

    Args:
        shown: its segmentation, without arrays of the image's size.
        values: features and confidences.
        dice: None without a reference, or where reference and mask are both empty.
        empty: whether nothing was segmented.
        slices: of the image.
    """

    name: str
    patient: str
    shown: Segmentation
    values: Values
    dice: float | None
    empty: bool
    slices: Slices = field(default_factory=Slices)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a model folder is made of, beside the model.

    Args:
        ood: the scores that could be fitted, on all cases.
        ranges: of every score, over left-out patients.
        quality: None without references or with too few.
        left_out: a sentence for everything that is not there.
    """

    seen: tuple[Seen, ...]
    ood: dict[str, OodScore]
    ranges: dict[str, ValidationRange]
    quality: QualityModel | None
    quality_kind: str | None
    left_out: tuple[str, ...]

    @property
    def patient_count(self) -> int:
        """Distinct patients."""
        return len({case.patient for case in self.seen})


@dataclass(frozen=True)
class Kept:
    """What a model folder has already and keeps, because what it was fitted to is still the same.

    Args:
        ood: scores with their references, which stay as they are.
        ranges: of these scores, and of confidences.
    """

    ood: Mapping[str, OodScore] = field(default_factory=dict)
    ranges: Mapping[str, ValidationRange] = field(default_factory=dict)


def look_at(inputs: Iterable[Input], toolkit: Toolkit, say: Say) -> list[Seen]:
    """Run the model over the inputs, one at a time; what is refused or fails is said and left out."""
    seen = []
    for one in inputs:
        try:
            seen.append(_look(one, toolkit))
        except (InputRefused, CaseFailed) as problem:
            say(f"{one.name} was left out: {problem}")
    return seen


def fit(
    seen: Sequence[Seen],
    directions: Mapping[str, Direction],
    *,
    version: str,
    say: Say,
    only: Container[str] | None = None,
    kept: Kept | None = None,
) -> Fitted:
    """Fit everything that can be fitted to what the cases showed.

    Args:
        only: the scores to fit; all when None.
        kept: scores that are taken as they are, beside those of `only`.

    Raises:
        TooFewCases: fewer than two cases or patients; no scale can be had from people who were left out.
    """
    patients = {case.patient for case in seen}
    if len(patients) < 2:
        raise TooFewCases(
            f"A model is fitted on cases of at least two patients, and there {'is' if len(patients) == 1 else 'are'} "
            f"{len(patients)}: the scale of a score comes from patients whom it has not seen."
        )
    left_out: list[str] = []
    kept = kept or Kept()
    scores = dict(kept.ood)
    unseen = {name: [_kept(score, case.shown) for case in seen] for name, score in scores.items()}
    for name, kind in ood_scores.load("hospital_agent.analysis.ood").items():
        if name in scores or (only is not None and name not in only):
            continue
        say(f"fitting {name}")
        try:
            score, values = _fit_score(kind, seen)
        except (NotApplicable, TooFewCases) as problem:
            left_out.append(f"The score {name} was left out: {problem}")
            continue
        scores[name], unseen[name] = score, values
    ranges = {**_ranges(seen, unseen), **kept.ranges}
    for name in [name for name in scores if name not in ranges]:
        del scores[name]
        left_out.append(f"The score {name} was left out: it was undefined for every patient who was left out.")
    quality, kind_name, why = _quality(seen, unseen, ranges, directions, version)
    return Fitted(tuple(seen), scores, ranges, quality, kind_name, (*left_out, *why))


def directions_of(toolkit: Toolkit) -> dict[str, Direction]:
    """Which way every value that a quality model may use is worse."""
    told = {name: feature.quantity.direction for name, feature in toolkit.features.items()}
    for name, score in toolkit.uncertainty.items():
        told[name] = score.quantity.direction
    for _, kind in ood_scores.load("hospital_agent.analysis.ood").items():
        told[kind.wire_quantity.name] = kind.wire_quantity.direction
    return told


def _look(one: Input, toolkit: Toolkit) -> Seen:
    series = read_series(one.path, toolkit.modality)
    result = analyse_case(series.volume, replace(toolkit, ood={}, validation={}, quality=None))
    truth = None if one.reference is None else series.read_mask(one.reference)
    return Seen(
        one.name,
        one.patient,
        _without_images(result.segmentation),
        {**result.features, **result.uncertainty},
        None if truth is None else dice(result.segmentation.mask, truth),
        result.empty,
        slices_of(series.volume),
    )


def _without_images(found: Segmentation) -> Segmentation:
    """What feature-space scores look at; a probability that only has its shape takes no memory."""
    shape = None if found.probability is None else found.probability.shape
    return replace(
        found,
        mask=np.zeros((1, 1, 1), dtype=np.bool_),
        labels=None,
        class_probabilities=None,
        probability=None if shape is None else np.broadcast_to(np.float32(0.0), shape),
        distortion=None if found.distortion is None else replace(found.distortion, squares=None),
        reconstructed=None if found.reconstructed is None else replace(found.reconstructed, labels=None),
    )


def _fit_score(kind: type[OodScore], seen: Sequence[Seen]) -> tuple[OodScore, list[float | None]]:
    """The score fitted on all cases, and its value for each case from a fit that had not seen the patient.

    Raises:
        NotApplicable, TooFewCases: it cannot be fitted.
    """
    shown: list[tuple[int, Observation]] = []
    for i, case in enumerate(seen):
        observation = kind.observe(case.shown)
        if observation is not None:
            shown.append((i, observation))
    if not shown:
        kind.fit_cases([], [])  # a score says itself what it misses, and how to get it
        raise NotApplicable("no case shows what it looks at.")
    values: list[float | None] = [None] * len(seen)
    for fold in _folds([seen[i].patient for i, _ in shown]):
        others = [(i, rows) for i, rows in shown if seen[i].patient not in fold]
        score = kind.fit_cases([rows for _, rows in others], [seen[i].patient for i, _ in others])
        for i, _ in shown:
            if seen[i].patient in fold:
                values[i] = _kept(score, seen[i].shown)
    return kind.fit_cases([rows for _, rows in shown], [seen[i].patient for i, _ in shown]), values


def _kept(score: OodScore, shown: Segmentation) -> float | None:
    value = score.compute(shown)
    return value if value is not None and score.quantity.accepts(value) else None


def _folds(patients: Sequence[str]) -> list[set[str]]:
    """Patients by turns in at most ten groups, in the order of their names; with up to ten, each is left out alone."""
    names = sorted(set(patients))
    if len(names) < 2:
        raise TooFewCases("it needs features of at least two patients.")
    count = min(MOST_FOLDS, len(names))
    return [set(names[i::count]) for i in range(count)]


def _ranges(seen: Sequence[Seen], unseen: Mapping[str, Sequence[float | None]]) -> dict[str, ValidationRange]:
    """Smallest, median and largest of every score; in the median each patient counts once."""
    from hospital_agent.analysis.uncertainty import uncertainty_scores

    columns = dict(unseen)
    for name in uncertainty_scores.load("hospital_agent.analysis.uncertainty").names():
        columns[name] = [case.values.get(name) for case in seen]
    ranges = {}
    for name, column in columns.items():
        of: dict[str, list[float]] = {}
        for case, value in zip(seen, column, strict=True):
            if value is not None:
                of.setdefault(case.patient, []).append(value)
        if of:
            every = [value for values in of.values() for value in values]
            middle = float(np.median([np.median(values) for values in of.values()]))
            ranges[name] = ValidationRange(min(every), middle, max(every))
    return ranges


def _quality(
    seen: Sequence[Seen],
    unseen: Mapping[str, Sequence[float | None]],
    ranges: Mapping[str, ValidationRange],
    directions: Mapping[str, Direction],
    version: str,
) -> tuple[QualityModel | None, str | None, tuple[str, ...]]:
    """The quality model, its kind, and why there is none."""
    known = [(i, case) for i, case in enumerate(seen) if case.dice is not None and not case.empty]
    if not known:
        return None, None, ("There is no quality model: no case has a reference and a mask that is not empty.",)
    rows: list[Values] = []
    for i, case in known:
        ood = {name: column[i] for name, column in unseen.items()}
        rows.append({**case.values, **normalised(case.values, ranges), **log_ratios(ood, ranges)})
    told, patients = [case.dice for _, case in known], [case.patient for _, case in known]
    try:
        model, kind = _fit_quality(rows, told, patients, directions, version)
    except TooFewCases as problem:
        return None, None, (f"There is no quality model: {problem}",)
    return model, kind, ()


def _fit_quality(
    rows: Sequence[Values],
    told: Sequence[float | None],
    patients: Sequence[str],
    directions: Mapping[str, Direction],
    version: str,
) -> tuple[QualityModel, str]:
    from hospital_agent.analysis.quality.fused import KIND
    from hospital_agent.analysis.quality.fused_fit import fit_fused

    groups = [NO_SHIFT] * len(rows)
    fused = fit_fused(rows, told, patients, groups, directions, version=version)
    return fused, KIND
