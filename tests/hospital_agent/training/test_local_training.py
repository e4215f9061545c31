"""What a site trains between two averages."""

import numpy as np
import pytest
import torch
from torch import nn

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape
from hospital_agent.federation.jobs.averaging import AveragingJob
from hospital_agent.federation.jobs.rehearsal import rehearse
from hospital_agent.training.local_training import LocalPlan, LocalTrainer, SharedWeights
from hospital_agent.training.loop import TrainingDiverged


def line(weight=0.0, bias=0.0):
    network = nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(weight)
        network.bias.fill_(bias)
    return network


def squares(network, batch):
    x, y = batch
    return (network(x) - y).square().mean()


def trainer(slope, plan, seed=0, network=None, cases=10):
    """Learns y = slope x + 1."""

    def batches(number):
        random = torch.Generator().manual_seed(100 * seed + number)
        while True:
            x = torch.randn(8, 1, generator=random)
            yield x, slope * x + 1

    def judge(network):
        x = torch.linspace(-1, 1, 5)[:, None]
        error = float((network(x) - slope * x - 1).abs().mean())
        return [1 / (1 + error), None]

    return LocalTrainer(network or line(), batches, squares, judge, plan, cases=cases, patients=cases, judged_cases=2)


PLAN = LocalPlan(rounds=8, steps=25, learning_rate=0.05, weight_decay=0.0)


def test_weights_go_into_a_vector_and_back():
    network = UNet(UNetShape(channels=(2, 4), classes=2))
    shared = SharedWeights(network)
    before = shared.read()
    assert before.shape == (sum(value.numel() for value in network.state_dict().values()),)
    shared.write(2 * before)
    np.testing.assert_array_equal(shared.read(), 2 * before)
    other = SharedWeights(UNet(UNetShape(channels=(2, 4), classes=2)))
    other.write(before)
    assert other.names == shared.names
    np.testing.assert_array_equal(other.read(), before)


def test_norms_stay_at_the_site_where_they_should():
    network = UNet(UNetShape(channels=(2, 4), classes=2))
    shared = SharedWeights(network, local_norms=True)
    norms = [module for module in network.modules() if isinstance(module, nn.InstanceNorm3d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.fill_(7.0)
    shared.write(np.zeros_like(shared.read()))
    assert norms
    assert all(bool((norm.weight == 7.0).all()) for norm in norms)
    assert float(network.head.weight.detach().abs().sum()) == 0.0


def test_counters_of_batch_norm_are_no_weights_and_running_means_are():
    shared = SharedWeights(nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2)))
    assert "1.running_mean" in shared.names
    assert "1.num_batches_tracked" not in shared.names


def test_weights_of_another_network_are_refused():
    with pytest.raises(NotApplicable, match="another network"):
        SharedWeights(line()).write(np.zeros(3))


def test_a_network_without_weights_is_refused():
    with pytest.raises(NotApplicable, match="no weights"):
        SharedWeights(nn.ReLU())


def test_sites_together_find_the_line_between_theirs():
    sites = [trainer(slope, PLAN, seed) for seed, slope in enumerate((1.0, 2.0, 3.0))]
    start = sites[0].shared.read()
    found = rehearse(AveragingJob(start, rounds=8), sites).result
    np.testing.assert_allclose(found.weights, [1.0, 2.0], atol=0.1)  # bias, then weight
    assert found.is_better
    assert len(found.dice) == 9


def test_a_round_asked_for_again_is_not_trained_again_and_another_is():
    site = trainer(2.0, PLAN)
    start = site.shared.read()
    first = site.trained(start, 1)
    assert site.trained(start, 1) is first
    assert not np.array_equal(site.trained(start, 2), first)
    assert not np.array_equal(site.trained(first, 1), first)


def test_training_is_the_same_every_time():
    start = trainer(2.0, PLAN).shared.read()
    np.testing.assert_array_equal(trainer(2.0, PLAN).trained(start, 1), trainer(2.0, PLAN).trained(start, 1))


def test_the_proximal_term_holds_a_site_near_the_common_weights():
    start = trainer(5.0, PLAN).shared.read()
    free = np.linalg.norm(trainer(5.0, PLAN).trained(start, 1) - start)
    held = LocalPlan(rounds=8, steps=25, learning_rate=0.05, weight_decay=0.0, proximal=100.0)
    assert np.linalg.norm(trainer(5.0, held).trained(start, 1) - start) < 0.2 * free


def test_a_case_without_a_dice_counts_as_nothing():
    site = trainer(1.0, PLAN, network=line(1.0, 1.0))
    assert site.dice_sum(site.shared.read()) == pytest.approx(1.0)


def test_a_training_that_diverges_leaves_the_common_weights():
    site = trainer(float("nan"), PLAN)
    start = site.shared.read()
    with pytest.raises(TrainingDiverged, match="federated round 3"):
        site.trained(start, 3)
    np.testing.assert_array_equal(site.shared.read(), start)
