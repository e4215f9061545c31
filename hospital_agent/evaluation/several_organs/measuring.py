"""Rows of the study: every test image segmented by every strategy, and scored by networks that left a dataset out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from hospital_agent.analysis.features import features
from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.analysis.uncertainty import sampled_scores, uncertainty_scores
from hospital_agent.evaluation.cache import RowCache
from hospital_agent.evaluation.measured import Measured, lacking, measurements, merged
from hospital_agent.evaluation.rows import Condition, Scored, Split
from hospital_agent.evaluation.scoring import Reference, Scorer, fit_reference
from hospital_agent.evaluation.several_organs.datasets import Dataset
from hospital_agent.evaluation.several_organs.networks import STRATEGIES, Networks, Recipe, recipe_of, recipe_without
from hospital_agent.evaluation.tasks import Example

ROWS = 1  # raised when what is scored changes
MOST_STRANGERS = 12
NOTHING: Measured = {}


@dataclass(frozen=True)
class Segmented:
    """A test image under one strategy.

    Args:
        strategy: one of `networks.STRATEGIES`.
        dataset: whose image it is.
        row: what is known of it; no score is asked for.
    """

    strategy: str
    dataset: str
    row: Scored


@dataclass(frozen=True)
class Judged:
    """An image scored by the joint network that never saw one dataset.

    Args:
        left_out: that dataset.
        dataset: whose image it is; the image is foreign where it is the left-out one.
        row: with every score.
        thresholds: method -> tau of its own, from leave-one-out training distances, where the method has one.
    """

    left_out: str
    dataset: str
    row: Scored
    thresholds: Mapping[str, float]

    @property
    def foreign(self) -> bool:
        """Whether the network never saw images of this kind."""
        return self.dataset == self.left_out


def asked_scores() -> dict[str, str]:
    """Name -> version of every registered score that one trained network can give: no mask features, no ensemble, and
    nothing that needs a second trained network beside it."""
    wanted = measurements(1, {}, several_passes=True)
    registered = dict([*ood_scores.items(), *uncertainty_scores.items(), *sampled_scores.items()])
    refused = {name for name, score in registered.items() if getattr(score, "needs", "")}
    refused |= {name for name, score in sampled_scores.items() if score.source == "ensemble"} | set(features.names())
    return {name: version for name, version in wanted.items() if name not in refused}


def segmented_rows(networks: Networks, rows: Path) -> Iterator[Segmented]:
    """Every dataset's test images under every strategy, from the cache or now."""
    sizes = {name: len(networks.parts[name].train) for name in networks.datasets}
    work = [(strategy, name) for strategy in STRATEGIES for name in networks.datasets]
    for strategy, name in tqdm(work, desc=f"seed {networks.seed}: strategies", unit="dataset", mininterval=5):
        recipe = recipe_of(strategy, name, sizes)
        cache = RowCache(rows, f"seed{networks.seed}-{recipe.name}", networks.fingerprint(recipe) + f"-{ROWS}")
        for example in networks.parts[name].test:
            row = cache.find(f"{name}/{example.name}", Condition())
            if row is None:
                scorer = Scorer(name, [networks.segmenter(recipe, name)], Reference({}, {}), networks.seed)
                row = _scored(scorer, networks.datasets[name], example, "test", NOTHING)
                cache.add(row)
            yield Segmented(strategy, name, replace(row, seed=networks.seed))


def judged_rows(networks: Networks, rows: Path) -> Iterator[Judged]:
    """For every left-out dataset: validation and test images of the others, and its own images, with every score."""
    for left_out in networks.datasets:
        recipe = recipe_without(left_out, list(networks.datasets))
        yield from _Judge(networks, rows, left_out, recipe).rows()


class _Judge:
    """What scores with one joint network; its reference is fitted when the first image is not in the cache."""

    def __init__(self, networks: Networks, rows: Path, left_out: str, recipe: Recipe) -> None:
        self.networks, self.left_out, self.recipe = networks, left_out, recipe
        fingerprint = networks.fingerprint(recipe) + f"-{ROWS}"
        self.cache = RowCache(rows, f"seed{networks.seed}-without-{left_out}", fingerprint)
        self.told = rows / f"seed{networks.seed}-without-{left_out}-{fingerprint}-thresholds.json"
        self._reference: Reference | None = None

    def rows(self) -> list[Judged]:
        wanted = asked_scores()
        found = []
        bar = tqdm(
            self._work(), desc=f"seed {self.networks.seed}: without {self.left_out}", unit="image", mininterval=5
        )
        for name, example, split in bar:
            # What needs several passes costs most; validation has to set its thresholds too.
            row = self.cache.find(f"{name}/{example.name}", Condition())
            asked = wanted if row is None else lacking(row, wanted)
            if row is None or asked:
                new = self._score(name, example, split, asked)
                row = new if row is None else merged(row, new)
                self.cache.add(row)
            found.append((name, replace(row, split=split)))
        if not self.told.exists():
            self._fitted()
        thresholds: dict[str, float] = json.loads(self.told.read_text(encoding="utf-8"))
        return [Judged(self.left_out, name, row, thresholds) for name, row in found]

    def _work(self) -> list[tuple[str, Example, Split]]:
        work: list[tuple[str, Example, Split]] = []
        for name in self.recipe.datasets:
            dataset, parts = self.networks.datasets[name], self.networks.parts[name]
            work += [(name, example, "validation") for example in dataset.scored_validation(parts)]
            work += [(name, example, "test") for example in parts.test]
        strange = self.networks.datasets[self.left_out]
        strangers = strange.strangers(self.networks.parts[self.left_out], MOST_STRANGERS)
        return work + [(self.left_out, example, "test") for example in strangers]

    def _score(self, name: str, example: Example, split: Split, asked: Measured) -> Scored:
        scorer = Scorer(name, [self.networks.segmenter(self.recipe, name)], self._fitted(), self.networks.seed)
        return _scored(scorer, self.networks.datasets[name], example, split, asked)

    def _fitted(self) -> Reference:
        if self._reference is None:
            self._reference = fit_reference(self._training())
            own = {name: getattr(score, "threshold", None) for name, score in self._reference.scores.items()}
            known = {name: float(value) for name, value in own.items() if value is not None}
            self.told.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        return self._reference

    def _training(self) -> Iterator[tuple[str, Segmentation]]:
        work = [(name, one) for name in self.recipe.datasets for one in self.networks.parts[name].train]
        description = f"seed {self.networks.seed}: reference without {self.left_out}"
        for name, example in tqdm(work, desc=description, unit="image", mininterval=5):
            subject = self.networks.datasets[name].subject(example)
            segmentation = self.networks.segmenter(self.recipe, name).segment(subject.volume)
            yield f"{name}/{example.patient}", subject.only_where_known(segmentation)


def _scored(scorer: Scorer, dataset: Dataset, example: Example, split: Split, asked: Measured) -> Scored:
    row = scorer.score(dataset.subject(example), Condition(), split, asked)
    return replace(row, case=f"{dataset.name}/{example.name}", patient=f"{dataset.name}/{example.patient}")


def left_out_names(rows: Sequence[Judged]) -> list[str]:
    """In the order of the rows."""
    return list(dict.fromkeys(row.left_out for row in rows))
