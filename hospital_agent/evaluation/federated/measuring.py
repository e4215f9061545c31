"""Every test patient at every site, segmented by every strategy's network of that site."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.federated.sites import SitePlan
from hospital_agent.evaluation.federated.training import STRATEGIES, Strategies
from hospital_agent.evaluation.tasks import Example, Subject


@dataclass(frozen=True)
class AtSiteRow:
    """One test image, as the scanner of one site shows it, under one strategy.

    Args:
        dice: mean over labels; None where no label has one.
    """

    dataset: str
    strategy: str
    site: str
    seed: int
    patient: str
    case: str
    dice: float | None


def rows_of(
    strategies: Strategies, plans: Sequence[SitePlan], test: Sequence[Example], folder: Path
) -> Iterator[AtSiteRow]:
    """All rows of one seed, from the folder or now; one file for a strategy and whoever is tested."""
    folder.mkdir(parents=True, exist_ok=True)
    images, seed = strategies.images, strategies.seed
    tested = fingerprint_of([[asdict(plan) for plan in plans], sorted(example.name for example in test)])

    @cache
    def subject(example: Example, plan: SitePlan) -> Subject:
        return images.under(example, plan.scanner, seed)

    for strategy in tqdm(STRATEGIES, desc=f"seed {seed}: {images.name}", unit="strategy"):
        place = folder / f"{images.name}-{strategies.name(strategy)}-{tested}.json"
        if not place.exists():
            shown = ((plan.name, subject(example, plan)) for plan in plans for example in test)
            made = [asdict(row) for row in _measured(strategies, strategy, shown)]
            place.with_suffix(".new").write_text(json.dumps(made), encoding="utf-8")
            place.with_suffix(".new").replace(place)
        yield from (AtSiteRow(**row) for row in json.loads(place.read_text(encoding="utf-8")))


def _measured(strategies: Strategies, strategy: str, shown: Iterable[tuple[str, Subject]]) -> Iterator[AtSiteRow]:
    """Of subjects, each with its site; where nothing is known nothing counts."""
    images = strategies.images
    segmenters: dict[str, BundledSegmenter] = {}
    for site, subject in shown:
        if site not in segmenters:
            segmenters[site] = strategies.segmenter(strategy, site)
        found = subject.only_where_known(segmenters[site].segment(subject.volume)).label_map
        scores = [dice(found == label, subject.labels == label) for label in range(1, len(images.label_names) + 1)]
        known = [score for score in scores if score is not None]
        yield AtSiteRow(
            images.name, strategy, site, strategies.seed, subject.patient, subject.name,
            float(np.mean(known)) if known else None,
        )  # fmt: skip
