"""What padding costs: the same network on the tiles of its task, and on others, larger ones for instance.

    python -m benchmarks.tile_of_use --data DATA --out FOLDER --tile 32,48,32 [--task hippocampus] [--seed 0]

Trains the network of the seed where FOLDER (that of an evaluation) does not hold it. Prints the mean Dice over labels
and unshifted test images for both tiles. A small image is padded to a tile; a network that saw no padding in training
loses by it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from hospital_agent.analysis.imaging.volume import Shape
from hospital_agent.analysis.metrics.dice import dice
from hospital_agent.analysis.segmentation.bundled import BundledSegmenter
from hospital_agent.analysis.segmentation.unet import UNet
from hospital_agent.evaluation.networks import FolderExperiment, trained_segmenter
from hospital_agent.evaluation.tasks import FolderTask, Setting, tasks


def mean_dice(segmenter: BundledSegmenter, experiment: FolderExperiment) -> float:
    """Over the labels and the test images as they are."""
    found = []
    for example in experiment.parts.test:
        volume, truth = example.content
        labels = segmenter.segment(volume).label_map
        scores = [dice(labels == number, truth == number) for number in range(1, len(experiment.task.label_names) + 1)]
        found.append(np.mean([score for score in scores if score is not None]))
    return float(np.mean(found))


def _shape(text: str) -> Shape:
    depth, height, width = map(int, text.split(","))
    return depth, height, width


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tile", type=_shape, required=True, metavar="Z,Y,X", help="to compare with, in voxels")
    parser.add_argument("--task", default="hippocampus")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    task = tasks.load("hospital_agent.evaluation.tasks").get(given.task)
    if not isinstance(task, FolderTask):
        parser.error("names a task whose images lie in folders.")
    experiment = FolderExperiment(task, Setting(given.data, given.out), given.seed)
    own = trained_segmenter(
        task, experiment.parts.train, experiment.choose_on, given.out / "networks", seed=given.seed, member=0
    )
    for name, tile in (("of the task", task.grid.tile), ("other", given.tile)):
        grid = replace(task.grid, tile=tile)
        network = own.network
        assert isinstance(network, UNet)  # noqa: S101 - a folder task trains no other
        segmenter = BundledSegmenter(network, grid, version="1", model_hash="0" * 64, device="auto")
        print(f"tile {name:12} {' x '.join(map(str, tile)):14} Dice {mean_dice(segmenter, experiment):.3f}")


if __name__ == "__main__":
    main()
