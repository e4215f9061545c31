"""The training loop: best checkpoints, going on after a stop, and a loss that is not a number."""

import itertools
import json

import pytest
import torch
from torch import nn

from hospital_agent.training.loop import LoopPlan, TrainingDiverged, load_best, train


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def batches():
    generator = torch.Generator().manual_seed(1)
    while True:
        x = torch.randn(8, 3, generator=generator)
        yield x, x.sum(dim=1, keepdim=True)


def squared(network: nn.Module, batch: object) -> torch.Tensor:
    x, y = batch
    return (network(x) - y).square().mean()


def closeness(network: nn.Module) -> float:
    return -float((network.weight.detach() - 1).abs().max())


def run(folder, steps=60, network=None, loss=squared, stream=None):
    plan = LoopPlan(steps, learning_rate=0.1, validate_every=10)
    return train(network or linear(), stream or batches(), loss, closeness, plan, folder)


def test_it_learns_and_keeps_the_best_three(tmp_path):
    best = run(tmp_path)
    assert len(best) == 3
    assert [c.score for c in best] == sorted((c.score for c in best), reverse=True)
    assert best[0].score > -0.2
    assert sorted(p.name for p in tmp_path.glob("step*.pt")) == sorted(c.path for c in best)
    told = json.loads((tmp_path / "curve.json").read_text())
    assert max(point["score"] for point in told["curve"]) == best[0].score


def test_the_best_checkpoint_is_what_is_loaded(tmp_path):
    best = run(tmp_path)
    network = linear()
    load_best(network, tmp_path, best)
    assert closeness(network) == best[0].score


def test_a_run_that_was_cut_off_goes_on(tmp_path):
    class CutOff(Exception):
        pass

    def stops_after(count):
        yield from itertools.islice(batches(), count)
        raise CutOff

    with pytest.raises(CutOff):
        run(tmp_path, stream=stops_after(34))
    counted = []

    def counting():
        for batch in batches():
            counted.append(1)
            yield batch

    best = run(tmp_path, stream=counting())
    assert len(counted) == 30  # the last state was that of step 30
    assert best[0].score > -0.2


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_state(tmp_path):
    calls = itertools.count()

    def breaks(network, batch):
        return squared(network, batch) * (float("nan") if next(calls) >= 25 else 1.0)

    with pytest.raises(TrainingDiverged, match="step 25"):
        run(tmp_path, loss=breaks)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 20
    assert all(torch.isfinite(value).all() for value in state["network"].values())
