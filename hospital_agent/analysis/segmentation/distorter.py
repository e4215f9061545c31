"""A network's answer without and with the autoencoder at its bottleneck, at the least price that the network allows.

Where a network is an encoder and a decoder, the encoder runs once and the decoder twice, on the true and on the
reconstructed bottleneck, with the same skips. For our own U-Net the second run is cheaper still. Any other network is
run a second time as a whole, with a hook that puts the reconstruction in the place of the bottleneck's output.

The true answer always comes last and by the network's usual way: whoever listens to layers hears that one, and it is
the same, to the last bit, as without an autoencoder.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from hospital_agent.analysis.errors import MissingLayer
from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
from hospital_agent.analysis.segmentation.layers import listening
from hospital_agent.analysis.segmentation.unet import UNet


@dataclass(frozen=True, eq=False)
class Answers:
    """What one batch of tiles leaves.

    Args:
        plain, distorted: (B, C, Z, Y, X) logits without and with the autoencoder.
        latents: (B, L).
        bottleneck, reconstructed: (B, C, z, y, x) what went into the autoencoder, and what came out.
    """

    plain: Tensor
    distorted: Tensor
    latents: Tensor
    bottleneck: Tensor
    reconstructed: Tensor


class Distorter(Protocol):
    """Answers a batch twice."""

    @property
    def passes(self) -> int:
        """Whole forward passes over the volume; a decoder alone does not count as one."""
        ...

    @property
    def autoencoder(self) -> ActivationAutoencoder:
        """What reconstructs the bottleneck."""
        ...

    def __call__(self, batch: Tensor) -> Answers:
        """Both answers to (B, 1, Z, Y, X) tiles.

        Raises:
            TileMismatch: the autoencoder was made for tiles of another size.
        """
        ...


@dataclass(frozen=True)
class Halves:
    """A network as two functions.

    Args:
        encode: tiles -> features of every level, the bottleneck last.
        decode: those -> logits.
    """

    encode: Callable[[Tensor], list[Tensor]]
    decode: Callable[[list[Tensor]], Tensor]


def halves_of(network: nn.Module) -> Halves | None:
    """Encoder and decoder of our U-Net, and of networks built like nnU-Net's; None where a network has no such halves.

    nnU-Net's encoder leaves the features of every stage, and its decoder takes them; a decoder that answers at several
    resolutions (deep supervision) is asked for the finest.
    """
    if isinstance(network, UNet):
        return Halves(network.encode, network.decode)
    encoder, decoder = getattr(network, "encoder", None), getattr(network, "decoder", None)
    if not isinstance(encoder, nn.Module) or not isinstance(decoder, nn.Module):
        return None
    if not getattr(encoder, "return_skips", False) or not hasattr(decoder, "seg_layers"):
        return None

    return Halves(lambda tiles: list(encoder(tiles)), lambda features: finest(decoder(features)))


def finest(logits: Any) -> Tensor:
    """The finest of a network's answers, where deep supervision gives several."""
    found: Tensor = logits[0] if isinstance(logits, (list, tuple)) else logits
    return found


def distorter_for(
    network: nn.Module,
    autoencoder: ActivationAutoencoder,
    bottleneck: nn.Module | None = None,
    *,
    differentiable: bool = False,
) -> Distorter:
    """The cheapest way to both answers.

    Args:
        bottleneck: the layer whose output is reconstructed where the network does not come in two halves.
        differentiable: the gradient must find its way through the network to the autoencoder: the cheapest way of our
            U-Net gives none.

    Raises:
        MissingLayer: it does not, and no layer is given.
    """
    if isinstance(network, UNet) and not differentiable:
        return UNetDistorter(network, autoencoder)
    halves = halves_of(network)
    if halves is not None:
        return HalvesDistorter(halves, autoencoder)
    if bottleneck is None:
        raise MissingLayer("A network without encoder and decoder needs the name of its bottleneck for distortion.")
    return HookDistorter(network, autoencoder, bottleneck)


@dataclass(frozen=True, eq=False)
class HalvesDistorter:
    """The encoder once, the decoder twice."""

    halves: Halves
    autoencoder: ActivationAutoencoder
    passes: int = 1

    def __call__(self, batch: Tensor) -> Answers:
        features = self.halves.encode(batch)
        reconstructed, latents = self.autoencoder.answer(features[-1])
        distorted = self.halves.decode([*features[:-1], reconstructed])
        return Answers(self.halves.decode(features), distorted, latents, features[-1], reconstructed)


@dataclass(frozen=True, eq=False)
class UNetDistorter:
    """Our U-Net: the encoder once, the decoder once and, for what changes, a little more than half a time.

    The first convolution of a decoder's level looks at what comes from below and at the skip. It is linear and the skip
    is the same, so its second answer is the first plus the convolution, over half the channels, of the *change* from
    below. Norm and activation are not linear: from there on everything is computed again.
    """

    network: UNet
    autoencoder: ActivationAutoencoder
    passes: int = 1

    def __call__(self, batch: Tensor) -> Answers:
        network = self.network
        features = network.encode(batch)
        reconstructed, latents = self.autoencoder.answer(features[-1])
        levels = [list(level.children()) for level in network.decoder]
        whole = {f"level {i}": level for i, level in enumerate(network.decoder)}
        with listening({**whole, **{f"first {i}": parts[0] for i, parts in enumerate(levels)}}) as heard:
            plain = network.decode(features)
        change = reconstructed - features[-1]
        for i in reversed(range(len(levels))):
            first = _lifted(network.up[i], levels[i][0], change).add_(heard[f"first {i}"])
            last = _rest(levels[i][1:], first)
            change = last if i == 0 else last.sub_(heard[f"level {i}"])
        return Answers(plain, network.head(change), latents, features[-1], reconstructed)


def _lifted(up: nn.Module, first: nn.Module, change: Tensor) -> Tensor:
    """What a change from below changes in the first convolution of a decoder's level; biases cancel."""
    assert isinstance(up, nn.ConvTranspose3d)  # noqa: S101 - so is our U-Net built
    assert isinstance(first, nn.Conv3d)  # noqa: S101
    risen = nn.functional.conv_transpose3d(change, up.weight, stride=up.stride)
    weight = first.weight[:, : risen.shape[1]]
    return nn.functional.conv3d(risen, weight, stride=first.stride, padding=first.padding)


def _rest(modules: Sequence[nn.Module], answer: Tensor) -> Tensor:
    for module in modules:
        answer = module(answer)
    return answer


@dataclass(frozen=True, eq=False)
class HookDistorter:
    """Any network: a whole second pass, in which the output of one layer is replaced."""

    network: nn.Module
    autoencoder: ActivationAutoencoder
    bottleneck: nn.Module
    passes: int = 2

    def __call__(self, batch: Tensor) -> Answers:
        with reconstructed_at(self.bottleneck, self.autoencoder) as heard:
            distorted = self.network(batch)
        if len(heard) != 1:
            raise MissingLayer("The network did not pass once through the layer that is called its bottleneck.")
        return Answers(self.network(batch), distorted, *heard[0])


@contextmanager
def reconstructed_at(
    bottleneck: nn.Module, autoencoder: ActivationAutoencoder
) -> Iterator[list[tuple[Tensor, Tensor, Tensor]]]:
    """For as long as the block lasts, a layer gives the reconstruction of its output instead.

    Yields:
        (latents, output, reconstruction) of every time that the network passes through the layer.
    """
    heard: list[tuple[Tensor, Tensor, Tensor]] = []

    def reconstruct(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        reconstructed, latents = autoencoder.answer(output)
        heard.append((latents, output, reconstructed))
        return reconstructed

    handle = bottleneck.register_forward_hook(reconstruct)
    try:
        yield heard
    finally:
        handle.remove()
