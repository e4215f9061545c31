"""Hippocampus in MR (MSD Task04): anterior and posterior part, in small boxes around the organ."""

from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.evaluation.tasks import FolderTask, RefinementStudy, Split, TrainingPlan, tasks

TILE = (24, 32, 24)  # in use as in training: a network that never met padding answers badly in it
HIPPOCAMPUS = FolderTask(
    name="hippocampus",
    label_names=("anterior", "posterior"),
    grid=WorkingGrid(spacing_mm=(1.25, 1.25, 1.25), tile=TILE, scheme="standardised"),
    shape=UNetShape(channels=(16, 32, 64), classes=3),
    plan=TrainingPlan(patch=TILE, steps=350, batch=2, autoencoder_steps=240, companion_steps=200),
    split=Split(validation=30, test=20),
    looked_at=Split(validation=16, test=10),
    images="hippocampus/images",
    labels="hippocampus/labels",
    patient_of=lambda name: name,
    refinement=RefinementStudy(),
    outliers=("cardiac_mr/images", "small_chest_ct/images"),
)
tasks.register("hippocampus")(HIPPOCAMPUS)
