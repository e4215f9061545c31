"""nnU-Net's second answer, with the autoencoder at the bottleneck: over its own tiles, blended as it blends the first.

nnU-Net's predictor knows one answer a tile. While it asks the network for that one, a hook lets the decoder run on the
reconstructed bottleneck as well; the hook ends before the true decoder begins, so whoever listens hears the true answer
and the mask is nnU-Net's own. Mirrored passes are put together by nnU-Net's own function, and the second answer is
added up with nnU-Net's weights in nnU-Net's precision: an autoencoder that changes nothing leaves the same logits to
the last bit.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hospital_agent.analysis.errors import MissingLayer
from hospital_agent.analysis.imaging.volume import FloatArray, Shape
from hospital_agent.analysis.segmentation.autoencoder import ActivationAutoencoder
from hospital_agent.analysis.segmentation.distorter import finest, halves_of, reconstructed_at
from hospital_agent.analysis.segmentation.nnunet_tiles import gaussian


class SecondAnswer:
    """Answers every tile a second time.

    Args:
        network: nnU-Net's.
        bottleneck: the layer whose output is reconstructed where the network does not come in two halves; then the
            whole network runs a second time.
    """

    def __init__(self, network: nn.Module, autoencoder: ActivationAutoencoder, bottleneck: nn.Module) -> None:
        self.network, self.autoencoder, self.bottleneck = network, autoencoder, bottleneck
        self.halves = halves_of(network)
        self.passes = 2 if self.halves is None else 1

    @contextmanager
    def beside(self, predictor: Any, real: Shape, patch: tuple[int, ...]) -> Iterator["SecondBlend"]:
        """For as long as the block lasts, whatever the predictor answers to tiles is answered a second time.

        Args:
            predictor: nnU-Net's, whose network is ours.
            real: shape of the image along nnU-Net's axes, before it is padded to a tile.
            patch: nnU-Net's patch size.

        Raises:
            TileMismatch: from the prediction; the autoencoder was made for tiles of another size.
            MissingLayer: from the prediction; the network does not pass once through its bottleneck.
        """
        blend = SecondBlend(real, patch)
        mirrored: Callable[[Tensor], Tensor] = predictor._internal_maybe_mirror_and_predict

        def answer_twice(tile: Tensor) -> Tensor:
            seconds: list[Tensor] = []
            latents: list[Tensor] = []
            with self._listening(seconds, latents):
                first = mirrored(tile)
            replay = iter(seconds)
            predictor.network = lambda _tile: next(replay)
            try:
                second = mirrored(tile)
            finally:
                predictor.network = self.network
            blend.add(second[0], latents[0][0])  # that of the pass that is not mirrored
            return first

        predictor._internal_maybe_mirror_and_predict = answer_twice
        try:
            yield blend
        finally:
            del predictor._internal_maybe_mirror_and_predict

    @contextmanager
    def _listening(self, seconds: list[Tensor], latents: list[Tensor]) -> Iterator[None]:
        """Every time the network is asked, leave the second logits and the latent vectors."""
        halves = self.halves

        def decode_before(_encoder: nn.Module, _inputs: object, features: Sequence[Tensor]) -> None:
            assert halves is not None  # noqa: S101 - else the other hook is used
            reconstructed, found = self.autoencoder.answer(features[-1])
            seconds.append(halves.decode([*features[:-1], reconstructed]))
            latents.append(found)

        def run_before(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            with reconstructed_at(self.bottleneck, self.autoencoder) as heard:
                seconds.append(finest(network.forward(*inputs)))  # not called: only the true answer is listened to
            if len(heard) != 1:
                raise MissingLayer("The network did not pass once through the layer that is called its bottleneck.")
            latents.append(heard[0][0])

        if halves is None:
            handle = self.network.register_forward_pre_hook(run_before)
        else:
            handle = self.network.get_submodule("encoder").register_forward_hook(decode_before)
        try:
            yield
        finally:
            handle.remove()


class SecondBlend:
    """The second logits of tiles, averaged with nnU-Net's weights.

    Args:
        real: shape of the image along nnU-Net's axes, before it is padded to a tile.
        patch: nnU-Net's patch size; two numbers for a 2-D network.
    """

    def __init__(self, real: Shape, patch: tuple[int, ...]) -> None:
        self.real, self.patch = real, patch
        self.begin(torch.zeros((1, *real)), (), torch.device("cpu"))

    def begin(self, padded: Tensor, slicers: Sequence[tuple[Any, ...]], where: torch.device) -> None:
        """A sliding window begins, or begins again because memory ran out; forget what was added.

        Args:
            padded: (1, ...) the image that the tiles are cut from.
            slicers: where, tile by tile.
            where: nnU-Net adds its own answers up.
        """
        self.padded, self.slicers, self.where = tuple(padded.shape[1:]), slicers, where
        self.weighted: Tensor | None = None
        self.latents: list[FloatArray] = []

    def add(self, logits: Tensor, latents: Tensor) -> None:
        """The second logits (C, ...) and the latent vector (L,) of the next tile."""
        slicer = self.slicers[len(self.latents)]
        weights = gaussian(self.patch, self.where)
        if self.weighted is None:
            self.weighted = torch.zeros((logits.shape[0], *self.padded), dtype=torch.half, device=self.where)
            self.total = torch.zeros(self.padded, dtype=torch.half, device=self.where)
        self.weighted[slicer] += logits.to(self.where) * weights
        self.total[slicer[1:]] += weights
        self.latents.append(latents.float().cpu().numpy())

    def logits(self) -> Tensor:
        """(C, ...) along nnU-Net's axes and without its padding, on the processor, as nnU-Net leaves the first.

        What is too large for nnU-Net's precision becomes the largest number that is not.

        Raises:
            MissingLayer: not every tile was answered.
        """
        if self.weighted is None or len(self.latents) != len(self.slicers):
            raise MissingLayer("The network did not answer every tile a second time.")
        blended = (self.weighted / self.total).nan_to_num().cpu()
        below = [(p - n) // 2 for p, n in zip(self.padded, self.real, strict=True)]
        return blended[(slice(None), *(slice(b, b + n) for b, n in zip(below, self.real, strict=True)))]
