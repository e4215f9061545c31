"""The training loop that all trainers share: seeded, resumable, with a progress bar, keeping the best checkpoints."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hospital_agent.analysis.errors import AnalysisError

LONGEST_GRADIENT = 12.0  # as nnU-Net clips it


class TrainingDiverged(AnalysisError, RuntimeError):
    """The loss stopped being a number; the last good state is on disk."""


@dataclass(frozen=True)
class LoopPlan:
    """How long and how fast.

    Args:
        steps: optimiser steps in all.
        learning_rate: of AdamW at the start; falls to 0 along a cosine.
        validate_every: steps between validations, each of which writes a checkpoint.
        keep_best: how many of the best checkpoints stay.
    """

    steps: int
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    validate_every: int = 200
    keep_best: int = 3


@dataclass(frozen=True)
class Checkpoint:
    """A state on disk and its validation score (higher is better)."""

    path: str
    step: int
    score: float


def train(
    network: nn.Module,
    batches: Iterator[object],
    loss_of: Callable[[nn.Module, object], Tensor],
    validate: Callable[[nn.Module], float],
    plan: LoopPlan,
    folder: Path,
) -> list[Checkpoint]:
    """Train, and return the best checkpoints, best first. A run that was cut off goes on where it stopped.

    Raises:
        TrainingDiverged: the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.steps)
    first, best, curve = _resume(folder, network, optimiser, schedule)
    bar = tqdm(range(first, plan.steps), initial=first, total=plan.steps, desc=folder.name, unit="step", mininterval=5)
    smooth = math.nan
    for step in bar:
        network.train()
        loss = loss_of(network, next(batches))
        descend(network, optimiser, loss, f"at step {step}; the last good state is in {folder.name}")
        schedule.step()
        smooth = loss.item() if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss.item()
        if (step + 1) % plan.validate_every == 0 or step + 1 == plan.steps:
            network.eval()
            score = validate(network)
            curve.append({"step": step + 1, "loss": smooth, "score": score})
            best = _keep(folder, network, best, step + 1, score, plan.keep_best)
            state: dict[str, object] = {"optimiser": optimiser.state_dict(), "schedule": schedule.state_dict()}
            _save_state(folder, network, state, step + 1, best, curve)
            bar.set_postfix(loss=f"{smooth:.3f}", score=f"{score:.3f}", refresh=False)
    return best


def descend(network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor, when: str) -> None:
    """One step down the gradient of a loss, clipped.

    Raises:
        TrainingDiverged: the loss is not finite; nothing was changed.
    """
    if not torch.isfinite(loss):
        raise TrainingDiverged(f"The loss is not a number {when}.")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
    optimiser.step()


def _keep(
    folder: Path, network: nn.Module, best: list[Checkpoint], step: int, score: float, keep: int
) -> list[Checkpoint]:
    path = folder / f"step{step:06d}.pt"
    torch.save(network.state_dict(), path)
    ranked = sorted([*best, Checkpoint(path.name, step, score)], key=lambda c: (-c.score, -c.step))
    for loser in ranked[keep:]:
        (folder / loser.path).unlink(missing_ok=True)
    return ranked[:keep]


def _save_state(
    folder: Path,
    network: nn.Module,
    state: dict[str, object],
    step: int,
    best: list[Checkpoint],
    curve: list[dict[str, float]],
) -> None:
    """Everything a run needs to go on, replaced in one move so that a crash leaves the old one."""
    torch.save({"network": network.state_dict(), **state, "step": step}, folder / "state.new")
    (folder / "state.new").replace(folder / "state.pt")
    (folder / "curve.json").write_text(
        json.dumps({"best": [asdict(checkpoint) for checkpoint in best], "curve": curve}, indent=1)
    )


def _resume(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler
) -> tuple[int, list[Checkpoint], list[dict[str, float]]]:
    if not (folder / "state.pt").exists():
        return 0, [], []
    state = torch.load(folder / "state.pt", weights_only=True)
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    schedule.load_state_dict(state["schedule"])
    told = json.loads((folder / "curve.json").read_text())
    return int(state["step"]), [Checkpoint(**entry) for entry in told["best"]], told["curve"]


def load_best(network: nn.Module, folder: Path, best: list[Checkpoint]) -> None:
    """Put the best checkpoint into the network."""
    network.load_state_dict(torch.load(folder / best[0].path, weights_only=True))
