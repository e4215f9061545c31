"""Every strategy of the study on one seed: the same network, start, steps in sequence and optimiser."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.evaluation.cache import fingerprint_of
from hospital_agent.evaluation.federated.images import Images
from hospital_agent.evaluation.federated.sites import SiteData
from hospital_agent.federation.jobs import Float64Array
from hospital_agent.federation.jobs.averaging import AveragingJob
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.training.local_training import LocalPlan, LocalTrainer
from hospital_agent.training.refinement_tiles import Item
from hospital_agent.training.segmenter import segmentation_loss
from hospital_agent.training.tiles import endless_tiles, tile_dice

POOLED, LOCAL, AVERAGED, PROXIMAL, OWN_NORMS = "pooled", "local", "fedavg", "fedprox", "fedbn"
AVERAGED_TUNED, LOCAL_TUNED = "fedavg_tuned", "local_tuned"
STRATEGIES = (POOLED, LOCAL, AVERAGED, PROXIMAL, OWN_NORMS, LOCAL_TUNED, AVERAGED_TUNED)
FEDERATED = (AVERAGED, PROXIMAL, OWN_NORMS, AVERAGED_TUNED)
TUNED = {AVERAGED_TUNED: AVERAGED, LOCAL_TUNED: LOCAL}
"""What each site trains on with its own images, after the end of another strategy, and keeps where it is no worse."""
ALONE = {AVERAGED_TUNED: LOCAL_TUNED}
"""Whom a federated strategy is held against where that is not `LOCAL`: as many steps are taken by both."""
TUNING_ROUNDS, TUNING_RATE = 2, 1 / 3  # of as many steps as a round; of the learning rate of the first round
JUDGED_TILES = 4  # of each held-out image, where they choose between two networks
State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class FederatedPlan:
    """How all strategies train.

    Args:
        rounds, steps: averages, and optimiser steps between two of them; the others take as many steps in all, and
            begin a new optimiser as often.
        batch, learning_rate: of a step.
        proximal: mu of FedProx.
    """

    rounds: int = 10
    steps: int = 35
    batch: int = 2
    learning_rate: float = 3e-3
    proximal: float = 0.01

    def local(self, strategy: str) -> LocalPlan:
        """Of one site under a strategy."""
        plan = LocalPlan(self.rounds, self.steps, self.learning_rate)
        if strategy in TUNED:
            return replace(plan, rounds=TUNING_ROUNDS, learning_rate=self.learning_rate * TUNING_RATE)
        if strategy == PROXIMAL:
            return replace(plan, proximal=self.proximal)
        return replace(plan, local_norms=strategy == OWN_NORMS)


@dataclass(frozen=True)
class Trained:
    """What a strategy came to.

    Args:
        by_site: the network of each site; the same for all where the strategy makes one.
        megabytes: that one site sent; 0 where nothing was sent.
        seconds: of one processor, over all sites, one after the other; None where nobody took the time.
    """

    by_site: Mapping[str, State]
    megabytes: float
    seconds: float | None = None


@dataclass(frozen=True)
class Cost:
    """What one strategy took on one seed; see `Trained`."""

    dataset: str
    strategy: str
    megabytes: float
    seconds: float | None


class Strategies:
    """The networks of one seed, trained once and kept.

    Args:
        images: their network and grid.
        sites: the data.
        folder: where networks are kept.
        seed: of start and draws.
        device: auto, cpu or cuda.
    """

    def __init__(
        self, images: Images, sites: Callable[[], Sequence[SiteData]], made_of: object, plan: FederatedPlan,
        folder: Path, seed: int, device: str,
    ) -> None:  # fmt: skip
        self.images, self.plan, self.seed = images, plan, seed
        self._read = sites
        self._sites: Sequence[SiteData] | None = None
        self._made_of, self._folder = made_of, folder
        self._device = choose_device(device)

    @property
    def sites(self) -> Sequence[SiteData]:
        """Read when first needed."""
        if self._sites is None:
            self._sites = self._read()
        return self._sites

    def name(self, strategy: str) -> str:
        """Under which name a strategy's networks and rows lie."""
        made = [asdict(self.images.grid), asdict(self.images.shape), asdict(self.plan), self._made_of]
        made += [[TUNING_ROUNDS, TUNING_RATE, JUDGED_TILES]] if strategy in TUNED else []
        return f"seed{self.seed}-{strategy}-{fingerprint_of(made)}"

    def trained(self, strategy: str) -> Trained:
        """From the folder, or trained into it."""
        place = self._folder / f"{self.name(strategy)}.pt"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            begun = time.process_time()
            made = self._train(strategy)
            own, before = time.process_time() - begun, made.seconds if strategy in TUNED else 0.0
            made = replace(made, seconds=None if before is None else before + own)
            torch.save(asdict(made), place.with_suffix(".new"))
            place.with_suffix(".new").replace(place)
        return Trained(**torch.load(place, weights_only=True))

    def costs(self) -> list[Cost]:
        """Of every strategy."""
        made = {strategy: self.trained(strategy) for strategy in STRATEGIES}
        return [Cost(self.images.name, name, one.megabytes, one.seconds) for name, one in made.items()]

    def segmenter(self, strategy: str, site: str) -> BundledSegmenter:
        """The network that a site would use."""
        network = UNet(self.images.shape)
        network.load_state_dict(self.trained(strategy).by_site[site])
        return BundledSegmenter(
            network, self.images.grid, version=self.name(strategy), model_hash="0" * 64, device=self._device.type
        )

    def _train(self, strategy: str) -> Trained:
        if strategy in TUNED:
            return self._tuned(strategy, self.trained(TUNED[strategy]))
        names = [site.name for site in self.sites]
        if strategy == POOLED:
            together = self._trainer(_pooled(self.sites), strategy)
            self._alone(together)
            return Trained(dict.fromkeys(names, _state(together.network)), 0.0)
        trainers = [self._trainer(site, strategy) for site in self.sites]
        if strategy == LOCAL:
            for trainer in trainers:
                self._alone(trainer)
            return Trained(dict(zip(names, (_state(one.network) for one in trainers), strict=True)), 0.0)
        start = trainers[0].shared.read()
        done = rehearse(AveragingJob(start, rounds=self.plan.rounds, fewest_patients=1), trainers)
        for trainer in trainers:
            trainer.shared.write(done.result.weights)
        return Trained(dict(zip(names, (_state(one.network) for one in trainers), strict=True)), 8e-6 * sum(done.sizes))

    def _trainer(self, site: SiteData, strategy: str) -> LocalTrainer:
        torch.manual_seed(zlib.crc32(f"{self.images.name}/{self.seed}/start".encode()))
        network = UNet(self.images.shape).to(self._device)
        own = zlib.crc32(site.name.encode())

        earlier = self.plan.rounds if strategy in TUNED else 0

        def batches(number: int) -> Iterator[object]:
            rng = np.random.default_rng([self.seed, own, earlier + number])
            return endless_tiles(site.train, self.images.patch, self.plan.batch, rng)

        judged = [*site.held_out] * (JUDGED_TILES if strategy in TUNED else 1)
        tiles = _fixed_tiles(judged, self.images, np.random.default_rng([self.seed, own, 0]))
        return LocalTrainer(
            network, batches, segmentation_loss, lambda net: [tile_dice(net, [tile]) for tile in tiles],
            self.plan.local(strategy), cases=len(site.train), patients=site.patients, judged_cases=len(tiles),
        )  # fmt: skip

    def _tuned(self, strategy: str, before: Trained) -> Trained:
        """Every site trains its network of another strategy on, and goes back where held-out patients are worse off.

        `seconds` are those of that strategy.
        """
        made = {}
        for site in self.sites:
            trainer = self._trainer(site, strategy)
            trainer.network.load_state_dict(before.by_site[site.name])
            begun = trainer.shared.read()
            wanted = trainer.dice_sum(begun)
            self._alone(trainer)
            if trainer.dice_sum(trainer.shared.read()) < wanted:
                trainer.shared.write(begun)
            made[site.name] = _state(trainer.network)
        return replace(before, by_site=made)

    def _alone(self, trainer: LocalTrainer) -> None:
        weights: Float64Array = trainer.shared.read()
        for number in range(1, trainer.plan.rounds + 1):
            weights = trainer.trained(weights, number)


def _pooled(sites: Sequence[SiteData]) -> SiteData:
    """All data in one place; nothing is held out, since nothing is chosen on it."""
    return SiteData("pooled", [item for site in sites for item in site.train], [], sum(site.patients for site in sites))


def _fixed_tiles(
    items: Sequence[Item], images: Images, rng: np.random.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """One tile of every held-out image."""
    return [next(endless_tiles([item], images.patch, 1, rng)) for item in items]


def _state(network: nn.Module) -> State:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
