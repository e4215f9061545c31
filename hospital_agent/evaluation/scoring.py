"""One image under one condition: segmented once, scored by every method, compared with its reference."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.errors import AnalysisError, NoDropout, NotApplicable, TooFewCases
from hospital_agent.analysis.features import features
from hospital_agent.analysis.features.per_label import per_label
from hospital_agent.analysis.imaging.resample import resample_to_shape
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.metrics.calibration import boundary_calibration
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.metrics.surface import assd_mm, hd95_mm
from hospital_agent.analysis.ood import Observation, OodScore, ood_scores
from hospital_agent.analysis.segmentation.base import DropoutSegmenter, GradientSegmenter, Segmentation, Segmenter
from hospital_agent.analysis.uncertainty import SampledScore, sampled_scores, uncertainty_scores
from hospital_agent.evaluation.measured import Measured
from hospital_agent.evaluation.rows import Condition, Scored, Split
from hospital_agent.evaluation.tasks import Labels, Subject

VOLUME = "volume"  # the trivial score: minus the segmented volume, since small masks have low Dice
Values = dict[str, float | None]
DOUBTING = ("outlier_exposure", "lee_gan")  # sources of scores that ask a second network


@dataclass(frozen=True)
class Reference:
    """The feature-space scores fitted on the training images of one seed, and why others could not be."""

    scores: Mapping[str, OodScore]
    refused: Mapping[str, str]


def fit_reference(segmentations: Iterable[tuple[str, Segmentation]]) -> Reference:
    """Fit every registered feature-space score on training images, given as (patient, segmentation) one at a time."""
    registered = dict(ood_scores.load("hospital_agent.analysis.ood").items())
    seen: dict[str, list[tuple[str, Observation]]] = {name: [] for name in registered}
    for patient, segmentation in segmentations:
        for name, score in registered.items():
            shown = score.observe(segmentation)
            if shown is not None:
                seen[name].append((patient, shown))
    fitted: dict[str, OodScore] = {}
    refused: dict[str, str] = {}
    for name, score in registered.items():
        try:
            fitted[name] = score.fit_cases([shown for _, shown in seen[name]], [patient for patient, _ in seen[name]])
        except (NotApplicable, TooFewCases) as reason:
            refused[name] = str(reason)
    return Reference(fitted, refused)


@dataclass
class Stopwatch:
    """Seconds by name, and what did not work."""

    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def time(self, name: str, compute: Callable[[], float | None]) -> float | None:
        """What `compute` gives; None where it fails, since one method must not end the evaluation of the others."""
        begun = perf_counter()
        try:
            return compute()
        except AnalysisError as problem:
            self.failures[name] = str(problem)
            return None
        finally:
            self.seconds[name] = perf_counter() - begun


def _none_doubts(_source: str) -> Segmenter:
    raise NotApplicable("No second network that was trained for doubting stands beside this one.")


@dataclass(frozen=True)
class Scorer:
    """Everything that scores the images of one seed.

    Args:
        members: the network that is judged first, then the rest of its ensemble.
        reference: feature-space scores fitted on that first network's training images.
        seed: of the dropout passes.
        doubting: gives a network that was trained for doubting, by the `source` of its score; asked only when such a
            score is. NotApplicable where there is none.
    """

    task: str
    members: Sequence[Segmenter]
    reference: Reference
    seed: int
    doubting: Callable[[str], Segmenter] = _none_doubts

    def score(self, subject: Subject, condition: Condition, split: Split, asked: Measured) -> Scored:
        """Segment a subject and score it.

        Args:
            asked: which registered units are computed, and their versions; see `measurements`.
        """
        watch, volume = Stopwatch(), subject.volume
        segmentation = subject.only_where_known(self.members[0].segment(volume))
        values = self._one_pass(subject, segmentation, watch, asked)
        values |= self._several(subject, segmentation, watch, asked)
        predicted = _labels_of(segmentation)
        labels = range(1, subject.label_count + 1)
        by_label = {str(number): dice(predicted == number, subject.labels == number) for number in labels}
        known = [value for value in by_label.values() if value is not None]
        ece, mce = _calibration(segmentation, subject.labels)
        return Scored(
            task=self.task,
            seed=self.seed,
            split=split,
            patient=subject.patient,
            case=subject.name,
            condition=condition,
            dice=float(np.mean(known)) if known else None,
            label_dice=by_label,
            hd95_mm=_mean_over(hd95_mm, predicted, subject.labels, volume, labels),
            assd_mm=_mean_over(assd_mm, predicted, subject.labels, volume, labels),
            ece=ece,
            mce=mce,
            values=values,
            seconds=watch.seconds,
            failures={name: why for name, why in self.reference.refused.items() if name in asked} | watch.failures,
            measured=asked,
        )

    def _one_pass(self, subject: Subject, segmentation: Segmentation, watch: Stopwatch, asked: Measured) -> Values:
        lungs = subject.lungs
        case = Case(subject.volume, segmentation, lungs, "none" if lungs is None else "given")
        units = {name: unit() for name, unit in features.items() if name in asked}
        doubts = [(name, doubt) for name, doubt in uncertainty_scores.items() if name in asked]
        values: Values = {name: watch.time(name, partial(unit.compute, case)) for name, unit in units.items()}
        values |= per_label(case, units)
        values |= {name: watch.time(name, partial(doubt().compute, segmentation)) for name, doubt in doubts}
        fitted = {name: score for name, score in self.reference.scores.items() if name in asked}
        for name, score in fitted.items():
            values[name] = watch.time(name, partial(score.compute, segmentation))
        values[VOLUME] = -float(segmentation.mask.sum()) * subject.volume.voxel_ml
        return values

    def _several(self, subject: Subject, first: Segmentation, watch: Stopwatch, asked: Measured) -> Values:
        units = {name: unit() for name, unit in sampled_scores.items() if name in asked}
        climbing = {name: unit for name, unit in units.items() if unit.source == "gradient"}
        values: Values = {
            name: watch.time(name, partial(self._climbed, subject, unit)) for name, unit in climbing.items()
        }
        for source in ("dropout", "ensemble", *DOUBTING):
            fed = {name: unit for name, unit in units.items() if unit.source == source}
            if not fed:
                continue
            passes = max(unit.passes or 0 for unit in fed.values())
            try:
                another = self.doubting(source) if source in DOUBTING else None  # its training is no price of a case
                begun = perf_counter()
                answers = self._answers(subject, first, source, passes, another)
            except (NoDropout, NotApplicable) as problem:
                watch.failures |= dict.fromkeys(fed, str(problem))
                continue
            price = perf_counter() - begun
            for name, unit in fed.items():
                values[name] = watch.time(name, partial(unit.compute, answers))
                watch.seconds[name] += price
        return values

    def _answers(
        self, subject: Subject, first: Segmentation, source: str, passes: int, another: Segmenter | None
    ) -> list[Segmentation]:
        if another is not None:
            return [subject.only_where_known(another.segment(subject.volume))]
        if source == "ensemble":
            if len(self.members) == 1:
                raise NotApplicable("No ensemble was trained for this task.")
            others = (member.segment(subject.volume) for member in self.members[1:])
            return [first, *map(subject.only_where_known, others)]
        network = self.members[0]
        if not isinstance(network, DropoutSegmenter):
            raise NotApplicable("The segmenter does not sample its dropout.")
        return [subject.only_where_known(one) for one in network.sample(subject.volume, passes, self.seed)]

    def _climbed(self, subject: Subject, unit: SampledScore) -> float | None:
        network = self.members[0]
        if not isinstance(network, GradientSegmenter):
            raise NotApplicable("The segmenter gives no gradient.")
        moved = network.perturb(subject.volume, unit.temperature, unit.epsilon)  # type: ignore[attr-defined]
        return unit.compute([subject.only_where_known(moved)])


def _labels_of(segmentation: Segmentation) -> Labels:
    return segmentation.mask.astype(np.uint8) if segmentation.labels is None else segmentation.labels


def _mean_over(
    distance: Callable[..., float | None], predicted: Labels, truth: Labels, volume: Volume, labels: Iterable[int]
) -> float | None:
    found = [distance(predicted == number, truth == number, volume.spacing_mm) for number in labels]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _calibration(segmentation: Segmentation, truth: Labels) -> tuple[float | None, float | None]:
    """ECE and MCE near the reference's boundary, on the working grid."""
    softmax = segmentation.class_probabilities
    if softmax is None:
        return None, None
    shape = (softmax.shape[1], softmax.shape[2], softmax.shape[3])
    classes = range(softmax.shape[0])
    shares = np.stack([resample_to_shape((truth == number).astype(np.float32), shape) for number in classes])
    found = boundary_calibration(softmax, shares.argmax(axis=0).astype(np.uint8))
    return (None, None) if found is None else (found.ece, found.mce)
