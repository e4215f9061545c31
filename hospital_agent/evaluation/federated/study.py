"""The study from images to a report. Every step resumes."""

import csv
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from hospital_agent.analysis.metrics.patient_bootstrap import DRAWS, LEVEL
from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.evaluation.federated import tables
from hospital_agent.evaluation.federated.images import Images
from hospital_agent.evaluation.federated.measuring import AtSiteRow, rows_of
from hospital_agent.evaluation.federated.sites import HELD_OUT, SITES, SitePlan, sites_of
from hospital_agent.evaluation.federated.training import TUNING_ROUNDS, Cost, FederatedPlan, Strategies
from hospital_agent.evaluation.markdown import readable
from hospital_agent.evaluation.report import REPORT, RESULTS, RUN, SUMMARY
from hospital_agent.evaluation.studies.section import section
from hospital_agent.evaluation.tasks import Parts

NAME = "federated"
HOW = (
    "The training patients of each dataset are shared out among four sites of different sizes; all images of a site, "
    "for training and test, are as its scanner makes them. Every strategy trains the same network from the same start, "
    "with the same number of optimiser steps in sequence: on all data in one place (pooled), at each site alone "
    "(local), or in rounds whose changes of the weights are averaged in the fixed point of the secure sum (fedavg; "
    "fedprox with a pull towards the common weights; fedbn with normalisation that stays at the site). All sites "
    "together so see four times as many tiles as pooled training: where an average is better than that, more tiles in "
    f"one place might be as good. A strategy that is tuned goes on for {TUNING_ROUNDS} rounds' worth of steps at each "
    "site alone, with a third of the learning rate, and goes back where tiles of its held-out patients are worse off, "
    "much as `hospital-agent federation accept --tune` does, which judges whole images; fedavg_tuned is held against "
    "local_tuned. Every test patient is segmented at every site."
)
BETWEEN = (
    "Mean difference of Dice with {level:.0%} intervals of {draws} paired draws of test patients. The networks are "
    "held fixed; how far training matters is told by the spread over seeds in the first table."
)


@dataclass(frozen=True)
class Dataset:
    """One dataset of the study.

    Args:
        images: and their network.
        plan: how all strategies train on them.
        sites: among which the patients are shared out.
        told: what a reader must know of it beside that.
        kind_of: what kind of patient one is, where the kinds are also told apart in a table; None for one kind.
        tested: how many of the test patients are segmented, the first by name; all when None.
    """

    images: Images
    plan: FederatedPlan
    sites: Sequence[SitePlan] = SITES
    told: str = ""
    kind_of: Callable[[str], str] | None = None
    tested: int | None = None

    @property
    def name(self) -> str:
        """Of the images."""
        return self.images.name

    def strategies(self, data: Path, out: Path, seed: int, device: str) -> tuple[Strategies, Parts]:
        """Those of one seed, and who is in which part."""
        parts = self.images.parts(data, seed)
        tested = sorted({example.patient for example in parts.test})[: self.tested]
        parts = replace(parts, test=[example for example in parts.test if example.patient in tested])
        train = [*parts.train, *parts.validation]
        learnt = sorted(example.name for example in train)
        made_of = [learnt, [asdict(site) for site in self.sites], HELD_OUT, self.images.fingerprint()]
        return Strategies(
            self.images, lambda: sites_of(self.images, train, self.sites, seed), made_of, self.plan,
            out / "networks" / self.name, seed, device,
        ), parts  # fmt: skip


@dataclass(frozen=True)
class Federated:
    """Federated against pooled and local training.

    Args:
        datasets: each with its sites and its plan.
    """

    datasets: Sequence[Dataset]

    def run(self, data: Path, out: Path, seeds: Sequence[int], *, quick: bool, device: str, command: str) -> Path:
        """See `Study`.

        Raises:
            NoImages: a dataset has no images under the data folder.
            TooFewCases: too few patients for the sites.
            TrainingDiverged: the loss of a network stopped being a number.
        """
        study = self.shortened() if quick else self
        begun, rows, costs = time.time(), [], []
        for dataset in study.datasets:
            dataset.images.parts(data, seeds[0])  # what is missing is told before hours of training
        for dataset in study.datasets:
            for seed in seeds:
                strategies, parts = dataset.strategies(data, out, seed, device)
                rows += list(rows_of(strategies, dataset.sites, parts.test, out / "rows"))
                costs += strategies.costs()
        study.write(rows, costs, out, command, device, time.time() - begun)
        return out

    def shortened(self) -> "Federated":
        """The study in little. Its numbers say nothing."""
        return Federated([replace(one, plan=replace(one.plan, rounds=2, steps=3), tested=2) for one in self.datasets])

    def write(
        self, rows: Sequence[AtSiteRow], costs: Sequence[Cost], out: Path, command: str, device: str, seconds: float
    ) -> None:
        """The report and its parts, from rows of any seeds."""
        found = tables.gains(rows)
        seeds = sorted({row.seed for row in rows})
        sections = [{"title": "How", "text": HOW + "\n"}]
        for dataset in self.datasets:
            name, plan = dataset.name, dataset.plan
            text = [
                f"{plan.rounds} rounds of {plan.steps} steps; {tables.told_seeds(rows, name)}. Sites:\n",
                _told_sites(dataset.sites),
                *([dataset.told + "\n"] if dataset.told else []),
                tables.mean_dice(rows, name),
                *([tables.by_kind(rows, name, dataset.kind_of)] if dataset.kind_of else []),
                tables.prices(costs, name),
                BETWEEN.format(level=LEVEL, draws=DRAWS) + "\n",
                "Against pooled training:\n",
                tables.differences(found, name, pooled=True),
                "Against training alone, with as many steps:\n",
                tables.differences(found, name, pooled=False),
            ]
            sections.append({"title": name, "text": "\n".join(text)})
        run = self._told(rows, seeds, command, device, seconds)
        said = tables.sentences(found)
        summary = {"study": NAME, "findings": said, "sections": sections, "gains": [asdict(one) for one in found],
                   "seeds": seeds}  # fmt: skip
        (out / RUN).write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
        (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        with (out / RESULTS).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [one.name for one in fields(AtSiteRow)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
        report = "\n".join(["# Federated training\n", *section(run, summary, "##")])
        (out / REPORT).write_text(report, encoding="utf-8")

    def _told(
        self, rows: Sequence[AtSiteRow], seeds: Sequence[int], command: str, device: str, seconds: float
    ) -> dict[str, Any]:
        """What a reader must know of the run; `run.json`."""
        on_gpu = choose_device(device).type == "cuda"
        people = {one.name: {row.patient for row in rows if row.dataset == one.name} for one in self.datasets}
        return {
            "task": NAME,
            "command": command,
            "seeds": list(seeds),
            "training": "; ".join(
                f"{one.name}: {one.plan.rounds} x {one.plan.steps} steps of {one.plan.batch} tiles"
                for one in self.datasets
            ),
            "patients": {name: f"{len(found)} tested" for name, found in people.items()},
            "notes": tables.notes(rows, [one.name for one in self.datasets], seeds)
            + [f"{one.name}: {one.tested} test patients alone, in little" for one in self.datasets if one.tested],
            "seconds": round(seconds, 1),
            "device": torch.cuda.get_device_name() if on_gpu else f"CPU ({platform.machine()})",
            "versions": {name: version(name) for name in ("segwatch", "torch", "numpy")},
        }


def _told_sites(sites: Sequence[SitePlan]) -> str:
    parts = sum(site.share for site in sites)
    told = (
        f"'{site.name}': {site.share} of {parts} parts of the patients, "
        + (
            f"{readable(site.scanner.family)} of strength {site.scanner.strength}"
            if site.scanner.strength
            else "as they are"
        )
        for site in sites
    )
    return "\n".join(f"- {one}" for one in told) + "\n"
