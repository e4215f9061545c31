"""What segmentation distortion costs beside the forward pass that it comes with.

    python -m benchmarks.distortion

Tiles of noise go through our U-Nets (random weights: the cost is the same): the one of cardiac MR (2-D), the one of the
hippocampus and the shipped one (3-D). Three ways to both answers are timed beside one plain forward pass, in turns, on
one core: the encoder once and the decoder's change (what is used), the encoder once and the decoder twice (networks
built like nnU-Net's), and two whole passes with a hook (any other network). Target: at most 0.6 of a forward pass more.
The answers of the three ways are compared too.
"""

from collections.abc import Callable
from time import perf_counter

import torch

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.segmentation.autoencoder import AutoencoderShape, fresh_autoencoder
from hospital_agent.analysis.segmentation.distorter import (
    Distorter,
    HalvesDistorter,
    HookDistorter,
    UNetDistorter,
    halves_of,
)
from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

REPEATS = 5
NETWORKS: dict[str, tuple[UNetShape, Shape, int]] = {
    "2-D, cardiac MR": (UNetShape((8, 16, 32, 64, 96), 4, depth_kernel=1, depth_stride=1), (1, 128, 128), 8),
    "3-D, hippocampus": (UNetShape((16, 32, 64), 3), (32, 48, 32), 2),
    "3-D, shipped": (UNetShape(), (80, 80, 80), 1),
}


def main() -> None:
    """One block a network."""
    torch.set_num_threads(1)
    for name, (shape, tile, count) in NETWORKS.items():
        torch.manual_seed(0)
        network, batch = UNet(shape).eval(), torch.randn(count, 1, *tile)
        with torch.inference_mode():
            compare(name, network, batch)


def compare(name: str, network: UNet, batch: torch.Tensor) -> None:
    """Print the price of each way, as a share of one forward pass."""
    tile: Shape = (batch.shape[2], batch.shape[3], batch.shape[4])
    bottleneck = network.encode(batch)[-1]
    autoencoder = fresh_autoencoder(AutoencoderShape.chosen(tuple(bottleneck.shape[1:]), tile), 0).eval()
    halves = halves_of(network)
    if halves is None:
        raise SystemExit("Our U-Net no longer comes in two halves.")
    ways: dict[str, Distorter] = {
        "the decoder's change alone": UNetDistorter(network, autoencoder),
        "the decoder twice": HalvesDistorter(halves, autoencoder),
        "two passes with a hook": HookDistorter(network, autoencoder, network.encoder[-1]),
    }
    works: dict[str, Callable[[], object]] = {
        "one forward pass": lambda: network(batch),
        "the autoencoder": lambda: autoencoder.answer(bottleneck),
        "the encoder": lambda: network.encode(batch),
        **{way: lambda distorter=distorter: distorter(batch) for way, distorter in ways.items()},  # type: ignore[misc]
    }
    seconds = in_turns(works)
    weights = sum(parameter.numel() for parameter in autoencoder.parameters())
    print(f"{name}: {batch.shape[0]} tiles of {' x '.join(map(str, tile))}, autoencoder of {weights:,} weights")
    one = seconds.pop("one forward pass")
    print(f"  {'one forward pass':<34}{1000 * one:9.1f} ms")
    for part, took in seconds.items():
        more = f"{(took - one) / one:+7.2f} of a pass more" if part in ways else f"{took / one:7.2f} of a pass"
        print(f"  {part:<34}{1000 * took:9.1f} ms {more}")
    reference = ways["two passes with a hook"](batch).distorted
    for way, distorter in ways.items():
        apart = float((distorter(batch).distorted - reference).abs().max() / reference.abs().max())
        print(f"  {way:<34}differs from two passes by {apart:.1e} of the largest logit")


def in_turns(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of the quickest of several calls; in turns, so that a disturbance meets all alike."""
    best = dict.fromkeys(works, float("inf"))
    for _ in range(REPEATS):
        for name, work in works.items():
            begun = perf_counter()
            work()
            best[name] = min(best[name], perf_counter() - begun)
    return best


if __name__ == "__main__":
    main()
