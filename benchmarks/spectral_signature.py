"""Singular values of a last feature map of 512 x 512 x 100 voxels and 14 channels, beside numpy's decomposition.

    python -m benchmarks.spectral_signature [--slices 100] [--channels 14] [--repeats 3] [--svd-slices 100]

Wanted: at most 1 s, where numpy's SVD takes about 14. With `--svd-slices` fewer slices go through the SVD, which needs
several times the memory of the map, and its time is scaled up to all of them (it is linear in the voxels).
"""

import argparse
import time

import numpy as np

from hospital_agent.analysis.ood.spectrum import singular_values

WANTED_S = 1.0


def drawn_map(slices: int, channels: int) -> np.ndarray:
    """(Z, 512, 512, C) float32 features whose channels share patterns and span three decades."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(channels, channels)) * np.geomspace(1, 1e-3, channels)[:, None]
    features = np.empty((slices, 512, 512, channels), dtype=np.float32)
    for into in features:
        into[:] = np.maximum(rng.standard_normal(into.shape, dtype=np.float32), -0.5) @ mix.astype(np.float32)
    return features


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
        values = singular_values(features)
        seconds.append((time.perf_counter() - begun, time.process_time() - worked))
    ours = min(wall for wall, _ in seconds)
    busy = min(processor for _, processor in seconds)
    print(f"from the Gram matrix {ours:12.2f} s wall {busy:8.2f} s processor   wanted at most {WANTED_S} s")
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
