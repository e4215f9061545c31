"""One training run in one folder: the networks of every fold, what they scored, and the one that is shipped."""

import json
from pathlib import Path

import torch

from hospital_agent.analysis.ood import OodScore, ood_scores
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.simulation.hosts import Host, phantom_host
from hospital_agent.toolkit import Toolkit
from hospital_agent.training.networks import FIRST_SCORED_PHANTOM, Pools, train_network
from hospital_agent.training.recipe import Recipe
from hospital_agent.training.reference import fit_reference, reference_items
from hospital_agent.training.scored import ScoredCase, score_hosts, toolkit_for


class Run:
    """One training run in one folder; every finished stage lies there and is not made again."""

    def __init__(self, recipe: Recipe, hosts: list[Host], folder: Path) -> None:
        self.recipe, self.hosts, self.folder = recipe, hosts, folder
        self.pools = Pools(recipe, hosts, folder / "pool")
        self.start = self._network("phantoms", recipe.phantom_steps, real=False, leave_out=None, start=None)

    def _network(self, name: str, steps: int, *, real: bool, leave_out: str | None, start: UNet | None) -> UNet:
        network, _ = train_network(
            self.recipe, self.pools, self.folder / name, steps, real=real, leave_out=leave_out, start=start
        )
        return network

    def toolkit(self, leave_out: str | None) -> Toolkit:
        """A network that never saw `leave_out`, with its own reference."""
        network = self.network_without(leave_out)
        return toolkit_for(self.recipe, network, self._reference(network, leave_out))

    def network_without(self, leave_out: str | None) -> UNet:
        """A network that never saw `leave_out`; the one that is shipped when None."""
        steps = self.recipe.fold_steps if leave_out else self.recipe.final_steps
        return self._network(_folder_of(leave_out), steps, real=True, leave_out=leave_out, start=self.start)

    def _reference(self, network: UNet, leave_out: str | None) -> dict[str, OodScore]:
        path = self.folder / _folder_of(leave_out) / "reference.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            return {"mahalanobis": ood_scores.get("mahalanobis").from_state({k: v.numpy() for k, v in state.items()})}
        fitted = fit_reference(self.recipe, network, reference_items(self.recipe, self.pools, leave_out))
        torch.save({k: torch.as_tensor(v) for k, v in fitted["mahalanobis"].state().items()}, path)
        return fitted

    def scored(self, leave_out: str) -> list[ScoredCase]:
        """Cases of the left-out patient and of new phantoms, scored by the network that saw neither."""
        path = self.folder / _folder_of(leave_out) / "scored.json"
        if not path.exists():
            toolkit = self.toolkit(leave_out)
            fold = sorted({host.patient for host in self.hosts}).index(leave_out)
            first = FIRST_SCORED_PHANTOM + fold * self.recipe.scored_phantoms
            phantoms = [phantom_host(seed) for seed in range(first, first + self.recipe.scored_phantoms)]
            own = [host for host in self.hosts if host.patient == leave_out]
            cases = score_hosts(toolkit, own, self.recipe.scored_copies // len(own), self.recipe.seed)
            # The number of a phantom decides whether its textures are unseen, so that every second one is.
            for number, phantom in enumerate(phantoms):
                cases += (
                    score_hosts(toolkit, [phantom], 1, self.recipe.seed)
                    if number % 2 == 0
                    else score_hosts(toolkit, [phantom], 2, self.recipe.seed)[1:]
                )
            path.write_text(json.dumps([case.to_json() for case in cases]))
        return [ScoredCase(**entry) for entry in json.loads(path.read_text())]


def _folder_of(leave_out: str | None) -> str:
    return f"without-{leave_out}" if leave_out else "final"
