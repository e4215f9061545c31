"""The figures of the study: distances of spectral signatures, and the calibration of each strategy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hospital_agent.evaluation.plots.style import COLOURS, GREY, INSIDE, MARKERS, OUTSIDE, figure, grid, plain
from hospital_agent.evaluation.several_organs.measuring import Judged, Segmented

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 20
SIGNATURE = "spectral_signature"
CAPTIONS = {
    "signature_distances": "Distance of each test image to the nearest training signature, for the network that never "
    "saw the dataset above. Line: threshold from training. First seed.",
    "calibration_error": "ECE near the boundary, mean and SD over test images and seeds.",
}


def figures(rows: Sequence[Segmented], judged: Sequence[Judged]) -> "dict[str, Figure]":
    """Name -> figure, of what the rows define."""
    first = min((one.row.seed for one in judged), default=0)
    drawn = {
        "signature_distances": _distances([one for one in judged if one.row.seed == first]),
        "calibration_error": _calibration(rows),
    }
    return {name: one for name, one in drawn.items() if one is not None}


def _distances(judged: Sequence[Judged]) -> "Figure | None":
    test = [one for one in judged if one.row.split == "test" and (one.row.values.get(SIGNATURE) or 0) > 0]
    names = list(dict.fromkeys(one.left_out for one in test))[:4]
    if not names:
        return None
    drawn, axes = grid(len(names), height_px=330)
    for axis, name in zip(axes, names, strict=True):
        shown = [one for one in test if one.left_out == name]
        values = np.array([one.row.values[SIGNATURE] for one in shown], dtype=np.float64)
        foreign = np.array([one.foreign for one in shown], dtype=np.bool_)
        edges = np.geomspace(values.min() / 1.1, values.max() * 1.1, BINS + 1)
        for which, colour, label, hatch in (
            (~foreign, INSIDE, "trained on", ""),
            (foreign, OUTSIDE, "left out", "///"),
        ):
            counts, _ = np.histogram(values[which], edges)
            axis.stairs(counts, edges, color=colour, fill=True, alpha=0.35, hatch=hatch)
            axis.stairs(counts, edges, color=colour, linewidth=1.8, label=f"{label} (n = {int(which.sum())})")
        if SIGNATURE in shown[0].thresholds:
            axis.axvline(shown[0].thresholds[SIGNATURE], color=GREY, linewidth=1.2)
        axis.set_xscale("log")
        axis.set_title(f"left out: {name.replace('_', ' ')}", fontsize=11, loc="left")
        axis.set_xlabel("distance from the training spectra")
        axis.set_ylabel("images")
        axis.legend(fontsize=9, frameon=False)
    return drawn


def _calibration(rows: Sequence[Segmented]) -> "Figure | None":
    known = [one for one in rows if one.row.ece is not None]
    datasets, strategies = (
        list(dict.fromkeys(getattr(one, name) for one in known)) for name in ("dataset", "strategy")
    )
    if not known:
        return None
    drawn = figure(420)
    axis = drawn.subplots()
    plain(axis)
    for number, strategy in enumerate(strategies):
        found = [
            [one.row.ece or 0.0 for one in known if (one.dataset, one.strategy) == (dataset, strategy)]
            for dataset in datasets
        ]
        places = [i + 0.14 * (number - (len(strategies) - 1) / 2) for i, values in enumerate(found) if values]
        axis.errorbar(
            places,
            [float(np.mean(values)) for values in found if values],
            yerr=[float(np.std(values)) for values in found if values],
            fmt=MARKERS[number],
            color=COLOURS[number],
            label=strategy,
            capsize=3,
        )
    axis.set_xticks(range(len(datasets)), [name.replace("_", " ") for name in datasets])
    axis.set_ylabel("ECE (lower is better)")
    axis.legend(fontsize=9, frameon=False)
    return drawn
