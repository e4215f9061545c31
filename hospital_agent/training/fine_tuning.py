"""Fine-tuning: going on from another network's weights, all layers, at half the learning rate.

Source:
    Karimi and Gholipour 2022, IV-A ("deep fine-tuning": "we reduced the initial learning rate by half and fine-tuned
    all model layers").
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from hospital_agent.training.loop import Checkpoint, LoopPlan, train


def fine_tune(
    network: nn.Module,
    start: Mapping[str, Tensor],
    batches: Iterator[object],
    loss_of: Callable[[nn.Module, object], Tensor],
    validate: Callable[[nn.Module], float],
    plan: LoopPlan,
    folder: Path,
) -> list[Checkpoint]:
    """Train from the weights of `start`; else as `loop.train`, whose learning rate is halved.

    Raises:
        RuntimeError: the weights are of another network.
        TrainingDiverged: the loss is not finite.
    """
    network.load_state_dict(dict(start))
    return train(network, batches, loss_of, validate, replace(plan, learning_rate=plan.learning_rate / 2), folder)
