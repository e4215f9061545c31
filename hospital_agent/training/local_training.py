"""What one site does between two averages of a federated training: train on from the common weights, and judge them.

Network and data in, vectors of weights out; implements `LocalTraining` of the job `averaging`. The network may be a
segmenter or an autoencoder: only the loss and the judge know which.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.training.loop import descend

Weights = NDArray[np.float64]
NORMS = (
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
    nn.GroupNorm, nn.LayerNorm,
)  # fmt: skip
VARIANCE = "running_var"  # how batch norm calls it


@dataclass(frozen=True)
class LocalPlan:
    """How a site trains within one round.

    Args:
        rounds: of the whole job; the learning rate falls along a cosine over all of them.
        steps: optimiser steps a round.
        learning_rate: of AdamW in the first round.
        proximal: mu of FedProx, the pull towards the common weights; 0 is FedAvg.
        local_norms: FedBN, the parameters of normalisation layers stay at the site.

    Source:
        Li et al., MLSys 2020, equation 2 (FedProx); Li et al., ICLR 2021 (FedBN, there batch norm; here any norm with
        parameters, since our networks use instance norm).
    """

    rounds: int
    steps: int
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    proximal: float = 0.0
    local_norms: bool = False


class SharedWeights:
    """Those weights of a network that sites have in common, as one vector, in an order that all sites share.

    Args:
        network: any; buffers that are numbers with fractions (running means) count, counters do not.
        local_norms: leave the parameters and buffers of normalisation layers out.
    """

    def __init__(self, network: nn.Module, *, local_norms: bool = False) -> None:
        kept = {
            f"{name}.{own}" if name else own
            for name, module in network.named_modules()
            if local_norms and isinstance(module, NORMS)
            for own in module.state_dict()
        }
        self.network = network
        self.names = tuple(
            sorted(
                name for name, value in network.state_dict().items() if value.is_floating_point() and name not in kept
            )
        )
        if not self.names:
            raise NotApplicable("The network has no weights that sites could share.")

    def read(self) -> Weights:
        """(P,) the weights now."""
        state = self.network.state_dict()
        return np.concatenate([state[name].detach().cpu().double().numpy().ravel() for name in self.names])

    def write(self, weights: Weights) -> None:
        """Put these weights in, running variances at least 0; the rest of the network stays as it is.

        Raises:
            NotApplicable: they are of another network.
        """
        state = self.network.state_dict()
        if weights.shape != (sum(state[name].numel() for name in self.names),):
            raise NotApplicable("These weights are of another network.")
        start = 0
        for name in self.names:
            old = state[name]
            new = torch.from_numpy(weights[start : start + old.numel()].reshape(old.shape)).to(old)
            # the noise of an average may take a variance below 0, of which there is no root
            state[name] = new.clamp(min=0.0) if name.endswith(VARIANCE) else new
            start += old.numel()
        self.network.load_state_dict(state)


class LocalTrainer:
    """One site's training.

    Args:
        network: of the architecture that all sites have; its weights are changed.
        batches: (round) -> endless batches of this site's training data; seeded by the round.
        loss_of: of the network on a batch.
        judge: Dice of each held-out case under the network, or what else lies in [0, 1] and is better when higher;
            None where it is not defined, which counts as 0.
        plan: how to train.
        cases, patients, judged_cases: how many.
    """

    def __init__(
        self, network: nn.Module, batches: Callable[[int], Iterator[object]],
        loss_of: Callable[[nn.Module, object], Tensor], judge: Callable[[nn.Module], Sequence[float | None]],
        plan: LocalPlan, *, cases: int, patients: int, judged_cases: int,
    ) -> None:  # fmt: skip
        self.cases, self.patients, self.judged_cases = cases, patients, judged_cases
        self.shared = SharedWeights(network, local_norms=plan.local_norms)
        self.network, self.plan = network, plan
        self._batches, self._loss_of, self._judge = batches, loss_of, judge
        self._last: tuple[int, bytes, Weights] | None = None

    def trained(self, weights: Weights, number: int) -> Weights:
        """The weights after round `number`, begun at `weights`. Asked again for the same, it does not train again.

        Raises:
            TrainingDiverged: the loss is not finite; the network holds the common weights again.
        """
        begun = weights.tobytes()
        if self._last is None or self._last[:2] != (number, begun):
            self.shared.write(weights)
            try:
                self._train(number)
            except Exception:
                self.shared.write(weights)
                raise
            self._last = number, begun, self.shared.read()
        return self._last[2]

    def dice_sum(self, weights: Weights) -> float:
        """Sum over the held-out cases."""
        self.shared.write(weights)
        self.network.eval()
        with torch.inference_mode():
            return float(sum(value or 0.0 for value in self._judge(self.network)))

    def _train(self, number: int) -> None:
        plan, network = self.plan, self.network
        rate = plan.learning_rate * 0.5 * (1 + math.cos(math.pi * (number - 1) / plan.rounds))
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=plan.weight_decay)
        common = {name: value.detach().clone() for name, value in self._parameters().items()} if plan.proximal else {}
        network.train()
        batches = self._batches(number)
        for step in range(plan.steps):
            loss = self._loss_of(network, next(batches))
            if common:
                loss = loss + 0.5 * plan.proximal * self._distance(common)
            descend(network, optimiser, loss, f"at step {step} of federated round {number}")
        network.eval()

    def _parameters(self) -> Mapping[str, Tensor]:
        return {name: value for name, value in self.network.named_parameters() if name in self.shared.names}

    def _distance(self, common: Mapping[str, Tensor]) -> Tensor:
        """Squared distance of the shared parameters from the common ones."""
        parts = [(value - common[name]).square().sum() for name, value in self._parameters().items()]
        return torch.stack(parts).sum()
