"""Voxel maps of a 512 x 512 x 70 softmax of two classes: ours, plain numpy, and the published loop over voxels.

    python -m benchmarks.voxel_maps [--slices 70] [--repeats 5] [--loop-voxels 200000]

Each map (KL from uniform, entropy, largest probability, the same at a temperature) should take at most 0.5 s. Compared
with the same formulae in plain numpy and scipy.special on whole arrays, in float64 and in float32, and with the way of
the published code of the 2021 paper for KL, written here from its description: a Python loop over np.ndindex. The loop
is timed on a sub-volume only, and its time for the whole is that times the ratio of voxels: it says so. All ways are
run in this one process, one thread each; the largest difference between their maps is printed too. On a busy machine
processor time is the figure to look at.
"""

import argparse
from collections.abc import Callable
from time import perf_counter, process_time

import numpy as np
from scipy import ndimage
from scipy.special import entr, expit, rel_entr, softmax

from hospital_agent.analysis.uncertainty import maps

TARGET_S = 0.5
TEMPERATURE = 1000.0

Map = Callable[[np.ndarray], np.ndarray]


def drawn_probability(slices: int) -> np.ndarray:
    """A smooth foreground probability, saturated over most of the image as a trained network's is."""
    coarse = np.random.default_rng(0).normal(size=(max(2, slices // 7), 32, 32))
    field = ndimage.zoom(ndimage.gaussian_filter(coarse, 1.5), (slices / coarse.shape[0], 16, 16), order=1)
    return expit(12 * (field / field.std() - 1)).astype(np.float32)


def both(probability: np.ndarray, dtype: type) -> np.ndarray:
    """(2, Z, Y, X), background first."""
    return np.stack([1 - probability, probability]).astype(dtype)


def plain_maps(dtype: type) -> dict[str, Map]:
    """The formulae as one would write them on whole arrays; from the probabilities of both classes."""

    def kl(p: np.ndarray) -> np.ndarray:
        return rel_entr(dtype(0.5), np.maximum(p, dtype(maps.KL_FLOOR))).sum(axis=0) / dtype(np.log(2))

    def entropy(p: np.ndarray) -> np.ndarray:
        return entr(p).sum(axis=0) / dtype(np.log(2))

    def largest(p: np.ndarray) -> np.ndarray:
        return 1 - p.max(axis=0)

    def at_temperature(p: np.ndarray) -> np.ndarray:
        flat = softmax(np.log(np.maximum(p, dtype(maps.SOFTMAX_FLOOR))) / dtype(TEMPERATURE), axis=0)
        return 1 - flat.max(axis=0)

    return {"kl_from_uniform": kl, "entropy": entropy, "one_minus_max": largest, "temperature": at_temperature}


def our_maps() -> dict[str, Map]:
    """From the foreground probability."""
    return {
        "kl_from_uniform": maps.kl_from_uniform,
        "entropy": maps.entropy,
        "one_minus_max": maps.one_minus_max,
        "temperature": lambda probability: maps.one_minus_max_at(probability, TEMPERATURE),
    }


def published_kl(softmaxes: np.ndarray) -> np.ndarray:
    """KL(u || p) in bits voxel by voxel, p floored at 1e-4; (2, Z, Y, X) to (Z, Y, X)."""
    uniform = np.full(softmaxes.shape[0], 1 / softmaxes.shape[0])
    result = np.zeros(softmaxes.shape[1:])
    for voxel in np.ndindex(result.shape):
        p = np.clip(softmaxes[(slice(None), *voxel)], maps.KL_FLOOR, None)
        result[voxel] = np.sum(uniform * np.log2(uniform / p))
    return result


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall and processor seconds of the quickest of a few calls."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = perf_counter(), process_time()
        work()
        walls.append(perf_counter() - wall)
        processors.append(process_time() - processor)
    return min(walls), min(processors)


def main() -> None:
    """Time every map every way and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=70)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--loop-voxels", type=int, default=200_000)
    given = parser.parse_args()
    probability = drawn_probability(given.slices)
    print(f"{probability.shape} voxels (Z, Y, X), two classes; wall / processor seconds, best of {given.repeats}")
    print(f"wanted: at most {TARGET_S} s a map\n")
    print(f"{'map':<18}{'ours':>15}{'plain float64':>17}{'plain float32':>17}{'faster':>9}{'largest difference':>20}")
    wide, narrow = both(probability, np.float64), both(probability, np.float32)
    times = {}
    for name, ours in our_maps().items():
        plain_64, plain_32 = plain_maps(np.float64)[name], plain_maps(np.float32)[name]
        times[name] = best(lambda f=ours: f(probability), given.repeats)
        in_64 = best(lambda f=plain_64: f(wide), max(1, given.repeats // 2))
        in_32 = best(lambda f=plain_32: f(narrow), max(1, given.repeats // 2))
        apart = float(np.abs(ours(probability) - plain_64(wide)).max())
        cells = f"{told(times[name]):>15}{told(in_64):>17}{told(in_32):>17}"
        print(f"{name:<18}{cells}{min(in_64[1], in_32[1]) / times[name][1]:>8.1f}x{apart:>20.1e}")
    print("  faster: processor seconds of the quicker plain way over ours")
    compare_loop(wide, probability, given.loop_voxels, times["kl_from_uniform"][1])
    for i, kind in enumerate(("wall", "processor")):
        worst = max(times, key=lambda name: times[name][i])
        met = "met" if times[worst][i] <= TARGET_S else "NOT met"
        print(f"slowest map by {kind} time: {worst}, {times[worst][i]:.3f} s; target of {TARGET_S} s {met}")


def told(seconds: tuple[float, float]) -> str:
    """Wall and processor seconds."""
    return f"{seconds[0]:.3f} / {seconds[1]:.3f}"


def compare_loop(softmaxes: np.ndarray, probability: np.ndarray, voxels: int, ours: float) -> None:
    """The published loop on the middle of the volume, extrapolated to all of it."""
    side = max(1, round((voxels / probability.shape[0]) ** 0.5))
    edge = (probability.shape[1] - side) // 2
    part = (slice(None), slice(edge, edge + side), slice(edge, edge + side))
    piece = softmaxes[(slice(None), *part)]
    begun = process_time()
    found = published_kl(piece)
    each = (process_time() - begun) / found.size
    apart = float(np.abs(found - maps.kl_from_uniform(probability[part])).max())
    whole = each * probability.size
    print(f"\npublished way, KL in a loop over voxels: {1e6 * each:.1f} us of processor a voxel over {found.size},")
    print(f"  extrapolated (not run) to all {probability.size}: {whole:.0f} s, {whole / ours:.0f} times ours")
    print(f"  largest difference on those voxels: {apart:.1e} bit (ours stops at the KL of a certain voxel)\n")


if __name__ == "__main__":
    main()
