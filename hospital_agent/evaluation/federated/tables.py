"""Tables of the study: mean Dice at each site, and what federated training gains and loses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hospital_agent.analysis.metrics.patient_bootstrap import (
    DRAWS,
    interval,
    mean_of_defined,
    patient_copies,
    weighted_means,
)
from hospital_agent.evaluation.federated.measuring import AtSiteRow
from hospital_agent.evaluation.federated.training import (
    ALONE,
    AVERAGED,
    AVERAGED_TUNED,
    FEDERATED,
    LOCAL,
    POOLED,
    STRATEGIES,
    TUNED,
    Cost,
)
from hospital_agent.evaluation.markdown import UNDEFINED, signed, table

ALL = "all sites"
NEAR = 0.02
APART = "not told apart from"
CALLED = {AVERAGED: "federated averaging", AVERAGED_TUNED: "federated averaging with steps of the site's own"}


@dataclass(frozen=True)
class Gain:
    """How much higher the Dice of one strategy is than that of another, at one site or at all.

    Args:
        estimate, low, high: over patients of all seeds, paired; None where undefined.
        seeds: in each seed.
        patients: distinct.
    """

    dataset: str
    site: str
    strategy: str
    against: str
    estimate: float | None
    low: float | None
    high: float | None
    seeds: tuple[float, ...]
    patients: int


def gains(rows: Sequence[AtSiteRow], draws: int = DRAWS) -> list[Gain]:
    """Federated strategies against pooled training and against local training of as many steps, by site and at all.

    Pooled training takes no steps of a site's own, so what is tuned is held against local training alone.
    """
    found = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        own = [row for row in rows if row.dataset == dataset]
        for site in [*dict.fromkeys(row.site for row in own), ALL]:
            here = [row for row in own if site in (row.site, ALL)]
            for one in FEDERATED:
                others = [alone(one)] if one in TUNED else [POOLED, alone(one)]
                found += [_gain(here, dataset, site, one, other, draws) for other in others]
    return found


def alone(strategy: str) -> str:
    """The local training that takes as many steps."""
    return ALONE.get(strategy, LOCAL)


def _gain(rows: Sequence[AtSiteRow], dataset: str, site: str, one: str, other: str, draws: int) -> Gain:
    by = {(row.strategy, row.seed, row.site, row.case): row.dice for row in rows}
    pairs: dict[int, list[tuple[str, float]]] = {}
    for row in rows:
        against = by.get((other, row.seed, row.site, row.case))
        if row.strategy == one and row.dice is not None and against is not None:
            pairs.setdefault(row.seed, []).append((row.patient, row.dice - against))
    patients = sorted({patient for told in pairs.values() for patient, _ in told})
    if not patients:
        return Gain(dataset, site, one, other, None, None, None, (), 0)
    place, copies = {patient: i for i, patient in enumerate(patients)}, patient_copies(len(patients), draws)
    means = [
        weighted_means([value for _, value in told], [place[patient] for patient, _ in told], copies)
        for told in pairs.values()
    ]
    drawn = mean_of_defined(means)
    low, high = interval(drawn[1:])
    seeds = tuple(float(one[0]) for one in means)
    return Gain(dataset, site, one, other, float(drawn[0]), low, high, seeds, len(patients))


def mean_dice(rows: Sequence[AtSiteRow], dataset: str) -> str:
    """Strategy by site: mean over test images, then mean and SD over seeds."""
    own = [row for row in rows if row.dataset == dataset]
    sites = [*dict.fromkeys(row.site for row in own), ALL]
    seeds = {name: len({row.seed for row in own if row.strategy == name}) for name in STRATEGIES}
    lines = [[_on(name, seeds), *(_cell(own, name, site) for site in sites)] for name in STRATEGIES]
    return table(["strategy", *sites], lines)


def by_kind(rows: Sequence[AtSiteRow], dataset: str, kind_of: Callable[[str], str]) -> str:
    """Strategy by kind of patient, at all sites: as `mean_dice`."""
    own = [replace(row, site=kind_of(row.patient)) for row in rows if row.dataset == dataset]
    kinds = list(dict.fromkeys(row.site for row in own))
    return table(["strategy", *kinds], [[name, *(_cell(own, name, kind) for kind in kinds)] for name in STRATEGIES])


def notes(rows: Sequence[AtSiteRow], datasets: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Which strategies were measured on fewer seeds than others."""
    told = []
    for name in datasets:
        for strategy in STRATEGIES:
            count = len({row.seed for row in rows if (row.dataset, row.strategy) == (name, strategy)})
            if count < len(seeds):
                told.append(f"{name}: {strategy} on {count} of {len(seeds)} seeds")
    return told


def _on(strategy: str, seeds: Mapping[str, int]) -> str:
    """The strategy, and on how many seeds where others have more."""
    count, most = seeds[strategy], max(seeds.values())
    return strategy if count == most else f"{strategy} ({count} of {most} seeds)"


def _cell(rows: Sequence[AtSiteRow], strategy: str, site: str) -> str:
    here = [row for row in rows if row.strategy == strategy and site in (row.site, ALL) and row.dice is not None]
    seeds = [[row.dice or 0.0 for row in here if row.seed == seed] for seed in dict.fromkeys(row.seed for row in here)]
    if not seeds:
        return UNDEFINED
    means = [float(np.mean(values)) for values in seeds]
    spread = f" ± {np.std(means, ddof=1):.3f}" if len(means) >= 3 else ""
    return f"{np.mean(means):.3f}{spread}"


def told_seeds(rows: Sequence[AtSiteRow], dataset: str) -> str:
    """How many seeds, and how many people were tested in them."""
    own = [row for row in rows if row.dataset == dataset]
    seeds, people = {row.seed for row in own}, {row.patient for row in own}
    return f"{len(seeds)} seed{'s' * (len(seeds) != 1)}, {len(people)} test patients"


def prices(costs: Sequence[Cost], dataset: str) -> str:
    """What a site sends, and how long all sites compute one after the other: means over seeds."""
    lines = []
    for name in STRATEGIES:
        own = [cost for cost in costs if (cost.dataset, cost.strategy) == (dataset, name)]
        sent, known = [cost.megabytes for cost in own], [cost.seconds for cost in own if cost.seconds is not None]
        lines.append(
            [name, f"{np.mean(sent):.1f}" if sent else UNDEFINED, f"{np.mean(known):.0f}" if known else UNDEFINED]
        )
    return table(["strategy", "MB that a site sends", "processor seconds of all sites"], lines)


def differences(found: Sequence[Gain], dataset: str, *, pooled: bool) -> str:
    """What the federated strategies gain against pooled, or else local training, with intervals."""
    own = [gain for gain in found if gain.dataset == dataset and (gain.against == POOLED) == pooled]
    sites = list(dict.fromkeys(gain.site for gain in own))
    cell = {(gain.strategy, gain.site): _told(gain) for gain in own}
    seeds = {gain.strategy: len(gain.seeds) for gain in own if gain.site == ALL}
    return table(
        ["strategy", *sites],
        [[_on(name, seeds), *(cell[name, site] for site in sites)] for name in FEDERATED if name in seeds],
    )


def _told(gain: Gain) -> str:
    if gain.estimate is None:
        return UNDEFINED
    return f"{signed(gain.estimate)} ({signed(gain.low)} to {signed(gain.high)})"


def sentences(found: Sequence[Gain]) -> list[str]:
    """What the numbers say of federated averaging, without and with steps of the site's own; made from them."""
    return [said for name in CALLED for gain in found if gain.strategy == name for said in _said(gain)]


def _near(gain: Gain) -> str:
    """Above or below only where the patients and all seeds say so."""
    if abs(gain.estimate or 0.0) <= NEAR:
        return f"within {NEAR} Dice of"
    verdict = _verdict(gain, f"more than {NEAR} Dice above", f"more than {NEAR} Dice below")
    agreed = len({seed > 0 for seed in gain.seeds}) == 1
    return verdict if agreed else APART


def _verdict(gain: Gain, better: str, worse: str) -> str:
    if gain.low is not None and gain.low > 0:
        return better
    if gain.high is not None and gain.high < 0:
        return worse
    return APART


def _said(gain: Gain) -> list[str]:
    if gain.estimate is None:
        return []
    name, seeds = CALLED[gain.strategy], f"{len(gain.seeds)} seed{'s' * (len(gain.seeds) != 1)}"
    if gain.site == ALL and gain.against == POOLED:
        return [f"{gain.dataset}: {name} is {_near(gain)} pooled training: {_told(gain)}, {seeds}."]
    if gain.site != ALL and gain.against != POOLED:
        verdict = _verdict(gain, "better than", "worse than")
        return [f"{gain.dataset}, site '{gain.site}': {name} is {verdict} training alone: {_told(gain)}, {seeds}."]
    return []
