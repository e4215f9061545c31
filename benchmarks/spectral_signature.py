"""Singular values of a last feature map of 512 x 512 x 100 voxels and 14 channels, beside numpy's decomposition.

    python -m benchmarks.spectral_signature [--slices 100] [--channels 14] [--repeats 3] [--svd-slices 100]

Wanted: at most 1 s, where numpy's SVD takes about 14. With `--svd-slices` fewer slices go through the SVD, which needs
several times the memory of the map, and its time is scaled up to all of them (it is linear in the voxels).
"""

import argparse
import os
import time

import numpy as np
import torch

from hospital_agent.analysis.ood.spectrum import singular_values, singular_values_of_gram
from hospital_agent.analysis.segmentation.layers import LayerSums

WANTED_S = 1.0


def drawn_map(slices: int, channels: int) -> np.ndarray:
    """(Z, 512, 512, C) float32 features whose channels share patterns and span three decades."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(channels, channels)) * np.geomspace(1, 1e-3, channels)[:, None]
    features = np.empty((slices, 512, 512, channels), dtype=np.float32)
    for into in features:
        into[:] = np.maximum(rng.standard_normal(into.shape, dtype=np.float32), -0.5) @ mix.astype(np.float32)
    return features


def _summed_by_tiles(features: np.ndarray) -> float:
    """Seconds that `LayerSums` takes for the same map, given slice by slice as a network gives it, channels first."""
    predicted = torch.zeros(1, 512, 512, dtype=torch.uint8)
    sums, seconds = LayerSums(2), 0.0
    for one in features:
        tile = torch.from_numpy(np.ascontiguousarray(np.moveaxis(one, -1, 0)))[:, None]
        begun = time.perf_counter()
        sums.add(tile, predicted, (slice(0, 1), slice(0, 512), slice(0, 512)))
        seconds += time.perf_counter() - begun
    begun = time.perf_counter()
    singular_values_of_gram(sums.summary().gram)
    return seconds + time.perf_counter() - begun


def main() -> None:
    """Time both and print how far their values differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--channels", type=int, default=14)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--svd-slices", type=int, default=100)
    given = parser.parse_args()
    features = drawn_map(given.slices, given.channels)
    print(f"feature map {features.shape} float32, {features.nbytes / 2**20:.0f} MB\n")
    seconds, values = [], np.zeros(0)
    for _ in range(given.repeats):
        begun, worked = time.perf_counter(), time.process_time()
        values = singular_values(features, threads=os.cpu_count() or 1)
        seconds.append((time.perf_counter() - begun, time.process_time() - worked))
    ours = min(wall for wall, _ in seconds)
    busy = min(processor for _, processor in seconds)
    print(f"from the Gram matrix {ours:12.2f} s wall {busy:8.2f} s processor   wanted at most {WANTED_S} s")
    print(
        f"tile by tile         {_summed_by_tiles(features):12.2f} s wall   as a forward pass sums it, with class means"
    )
    part = features[: min(given.svd_slices, given.slices)]
    begun, worked = time.perf_counter(), time.process_time()
    expected = np.linalg.svd(part.reshape(-1, given.channels), compute_uv=False)
    scale = given.slices / len(part)
    theirs, laboured = (time.perf_counter() - begun) * scale, (time.process_time() - worked) * scale
    scaled = "" if scale == 1 else f" (scaled up from {len(part)} slices)"
    print(f"numpy SVD            {theirs:12.2f} s wall {laboured:8.2f} s processor   {theirs / ours:.0f} times{scaled}")
    same = values if scale == 1 else singular_values(part)
    print(f"largest relative difference of the values: {np.max(np.abs(same / expected - 1)):.1e}")


if __name__ == "__main__":
    main()
