"""Every test patient at every site, segmented by every strategy's network of that site."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.evaluation.federated.sites import SitePlan
from hospital_agent.evaluation.federated.training import STRATEGIES, Strategies
from hospital_agent.evaluation.tasks import Example


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
    """All rows of one seed, from the folder or now; one file a strategy."""
    folder.mkdir(parents=True, exist_ok=True)
    for strategy in tqdm(STRATEGIES, desc=f"seed {strategies.seed}: {strategies.task.name}", unit="strategy"):
        place = folder / f"{strategies.task.name}-{strategies.name(strategy)}.json"
        if not place.exists():
            made = [asdict(row) for row in _measured(strategies, strategy, plans, test)]
            place.with_suffix(".new").write_text(json.dumps(made), encoding="utf-8")
            place.with_suffix(".new").replace(place)
        yield from (AtSiteRow(**row) for row in json.loads(place.read_text(encoding="utf-8")))


def _measured(
    strategies: Strategies, strategy: str, plans: Sequence[SitePlan], test: Sequence[Example]
) -> Iterator[AtSiteRow]:
    task = strategies.task
    for plan in plans:
        segmenter = strategies.segmenter(strategy, plan.name)
        for example in test:
            subject = task.under(example, plan.scanner, strategies.seed)
            found = segmenter.segment(subject.volume).label_map
            scores = [dice(found == label, subject.labels == label) for label in range(1, len(task.label_names) + 1)]
            known = [score for score in scores if score is not None]
            yield AtSiteRow(
                task.name, strategy, plan.name, strategies.seed, example.patient, example.name,
                float(np.mean(known)) if known else None,
            )  # fmt: skip
