"""Both answers of a network, however cheap the way: always those of two whole passes, one of them with a hook."""

import pytest
import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import MissingLayer, TileMismatch
from hospital_agent.analysis.segmentation.autoencoder import (
    ActivationAutoencoder,
    AutoencoderShape,
    fresh_autoencoder,
)
from hospital_agent.analysis.segmentation.distorter import (
    HalvesDistorter,
    HookDistorter,
    UNetDistorter,
    distorter_for,
    halves_of,
)
from hospital_agent.analysis.segmentation.layers import listening
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

SOLID = UNetShape(channels=(4, 6, 8), classes=3)
FLAT = UNetShape(channels=(4, 6, 8, 8), classes=4, depth_kernel=1, depth_stride=1)
CASES = [(SOLID, (8, 16, 12)), (FLAT, (1, 16, 24))]


class Identity(ActivationAutoencoder):
    """What nothing can be unusual to."""

    def answer(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        return activations.clone(), self.encode(activations)


def network_of(shape: UNetShape, seed: int = 0) -> UNet:
    torch.manual_seed(seed)
    return UNet(shape).eval()


def autoencoder_of(bottleneck: Tensor, tile: tuple[int, int, int], seed: int = 0) -> ActivationAutoencoder:
    return fresh_autoencoder(AutoencoderShape.chosen(tuple(bottleneck.shape[1:]), tile), seed).eval()


@pytest.mark.parametrize(("shape", "tile"), CASES)
def test_our_network_and_its_halves_answer_as_two_whole_passes(shape: UNetShape, tile: tuple[int, int, int]) -> None:
    network, batch = network_of(shape), torch.randn(3, 1, *tile)
    with torch.no_grad():
        autoencoder = autoencoder_of(network.encode(batch)[-1], tile)
        twice = HookDistorter(network, autoencoder, network.encoder[-1])(batch)
        halves = halves_of(network)
        assert halves is not None
        cheap = distorter_for(network, autoencoder)
        assert isinstance(cheap, UNetDistorter)
        for answers in (HalvesDistorter(halves, autoencoder)(batch), cheap(batch)):
            assert torch.equal(answers.plain, network(batch))
            torch.testing.assert_close(answers.distorted, twice.distorted, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(answers.latents, twice.latents)
    assert (twice.plain - twice.distorted).abs().max() > 0.01, "this autoencoder was never trained and must change much"


@pytest.mark.parametrize(("shape", "tile"), CASES)
def test_an_autoencoder_that_changes_nothing_distorts_nothing(shape: UNetShape, tile: tuple[int, int, int]) -> None:
    network, batch = network_of(shape), torch.randn(2, 1, *tile)
    with torch.no_grad():
        bottleneck = network.encode(batch)[-1]
        identity = Identity(AutoencoderShape.chosen(tuple(bottleneck.shape[1:]), tile))
        for distorter in (distorter_for(network, identity), HookDistorter(network, identity, network.encoder[-1])):
            answers = distorter(batch)
            assert torch.equal(answers.plain, answers.distorted)


def test_listeners_hear_the_answer_without_the_autoencoder() -> None:
    network, batch = network_of(SOLID), torch.randn(1, 1, 8, 16, 12)
    layers = {"bottleneck": network.encoder[-1], "last": network.decoder[0]}
    with torch.no_grad():
        with listening(layers) as plain:
            network(batch)
        autoencoder = autoencoder_of(plain["bottleneck"], (8, 16, 12))
        halves = halves_of(network)
        assert halves is not None
        ways = (
            UNetDistorter(network, autoencoder),
            HalvesDistorter(halves, autoencoder),
            HookDistorter(network, autoencoder, network.encoder[-1]),
        )
        for distorter in ways:
            with listening(layers) as heard:
                distorter(batch)
            for name in layers:
                assert torch.equal(heard[name], plain[name])
    assert not network.decoder[0]._forward_hooks, "nobody listens any more"


def nnunet_networks() -> list[nn.Module]:
    unet = pytest.importorskip("dynamic_network_architectures.architectures.unet")
    told = {
        "input_channels": 1, "n_stages": 3, "features_per_stage": (4, 6, 8), "conv_op": nn.Conv3d, "kernel_sizes": 3,
        "strides": (1, 2, 2), "num_classes": 3, "n_conv_per_stage_decoder": 1, "norm_op": nn.InstanceNorm3d,
        "norm_op_kwargs": {"affine": True}, "nonlin": nn.LeakyReLU, "nonlin_kwargs": {"inplace": True},
    }  # fmt: skip
    torch.manual_seed(0)
    plain = unet.PlainConvUNet(**told, n_conv_per_stage=1)
    supervised = unet.PlainConvUNet(**told, n_conv_per_stage=2, deep_supervision=True)
    residual = unet.ResidualEncoderUNet(**told, n_blocks_per_stage=1)
    return [plain.eval(), supervised.eval(), residual.eval()]


@pytest.mark.parametrize("which", range(3), ids=["plain", "deep supervision", "residual"])
def test_networks_of_nnunet_come_in_two_halves(which: int) -> None:
    network, batch = nnunet_networks()[which], torch.randn(2, 1, 8, 16, 12)
    with torch.no_grad():
        bottleneck = network.encoder(batch)[-1]
        autoencoder = autoencoder_of(bottleneck, (8, 16, 12))
        distorter = distorter_for(network, autoencoder)
        assert isinstance(distorter, HalvesDistorter)
        answers = distorter(batch)

        def swap(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            return autoencoder(output)

        plain = network(batch)
        network.encoder.stages[-1].register_forward_hook(swap)
        distorted = network(batch)
    finest = [one[0] if isinstance(one, list) else one for one in (plain, distorted)]
    assert torch.equal(answers.plain, finest[0])
    torch.testing.assert_close(answers.distorted, finest[1], rtol=1e-4, atol=1e-5)
    assert distorter.passes == 1


class Straight(nn.Module):
    """No encoder, no decoder, no skips."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv3d(1, 4, 2, stride=2), nn.Conv3d(4, 4, 3, padding=1)
        self.back = nn.ConvTranspose3d(4, 2, 2, stride=2)

    def forward(self, tile: Tensor) -> Tensor:
        logits: Tensor = self.back(torch.relu(self.deep(self.down(tile))))
        return logits


def test_any_other_network_is_run_twice_and_says_so() -> None:
    torch.manual_seed(0)
    network, batch = Straight(), torch.randn(2, 1, 8, 8, 8)
    with torch.no_grad():
        deep = network.deep(network.down(batch))
        autoencoder = autoencoder_of(deep, (8, 8, 8))
        distorter = distorter_for(network, autoencoder, network.deep)
        assert distorter.passes == 2
        answers = distorter(batch)
        assert torch.equal(answers.plain, network(batch))
        torch.testing.assert_close(answers.distorted, network.back(torch.relu(autoencoder(deep))))
    assert not network.deep._forward_hooks
    with pytest.raises(MissingLayer, match="bottleneck"):
        distorter_for(network, autoencoder)
    with pytest.raises(MissingLayer, match="did not pass once"):
        HookDistorter(network, autoencoder, nn.Identity())(batch)


def test_another_tile_is_refused_and_leaves_no_hook() -> None:
    network = Straight()
    autoencoder = fresh_autoencoder(AutoencoderShape.chosen((4, 4, 4, 4), (8, 8, 8)), 0)
    with torch.no_grad(), pytest.raises(TileMismatch, match="cut tiles of 8 x 8 x 8"):
        HookDistorter(network, autoencoder, network.deep)(torch.zeros(1, 1, 12, 8, 8))
    assert not network.deep._forward_hooks
