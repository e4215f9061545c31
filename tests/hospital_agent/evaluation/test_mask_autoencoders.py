"""The mask autoencoder of a seed: trained once on training references, beside networks that keep their names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.evaluation.mask_autoencoders import trained_mask_autoencoder, with_reconstruction
from hospital_agent.evaluation.tasks import Example, FolderTask
from hospital_agent.training.loop import train
from tests.anatomy import SPACING, heart
from tests.hospital_agent.evaluation.test_tasks import described
from tests.patches import segmentation_of


@pytest.fixture
def task(tmp_path: Path) -> FolderTask:
    torch.set_num_threads(1)
    found = described(tmp_path)
    return replace(found, label_names=("a", "b", "c"), plan=replace(found.plan, steps=2))


def example(seed: int, *, empty: bool = False) -> Example:
    labels = heart(seed) * (not empty)
    return Example(f"p{seed}", f"c{seed}", lambda: (Volume(labels.astype(np.float32), SPACING, modality="MR"), labels))


class Fixed:
    def segment(self, volume: Volume) -> Segmentation:
        labels = volume.array.astype(np.uint8)
        return replace(segmentation_of(None), mask=labels > 0, labels=labels)


def test_it_is_trained_once_and_read_afterwards(
    task: FolderTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, networks = [example(seed) for seed in range(4)], tmp_path / "networks"
    before = task.fingerprint()
    first = trained_mask_autoencoder(task, examples, networks, 0)
    assert task.fingerprint() == before
    (made,) = networks.iterdir()
    assert not list(made.rglob("*.pt"))

    def fails(*_: object, **__: object) -> None:
        pytest.fail("trained again")

    monkeypatch.setattr("hospital_agent.training.mask_autoencoder.train", fails)
    again = trained_mask_autoencoder(task, examples, networks, 0)
    assert np.array_equal(again.reconstruct(heart(9), SPACING), first.reconstruct(heart(9), SPACING))
    monkeypatch.setattr("hospital_agent.training.mask_autoencoder.train", train)
    trained_mask_autoencoder(task, examples[:3], networks, 0)
    trained_mask_autoencoder(task, examples, networks, 1)
    assert len(list(networks.iterdir())) == 3, "other references and another seed are others"


def test_a_segmenter_reconstructs_or_stays_as_it_was(task: FolderTask, tmp_path: Path) -> None:
    segmenter, shown = Fixed(), example(5)
    judged = with_reconstruction(segmenter, task, [example(seed) for seed in range(4)], tmp_path / "a", 0)
    found = judged.segment(shown.content[0])
    assert found.reconstructed is not None
    assert found.reconstructed.dice_gap.shape == (3,)
    nobody = [example(0), example(1, empty=True)]
    assert with_reconstruction(segmenter, task, nobody, tmp_path / "b", 0) is segmenter
