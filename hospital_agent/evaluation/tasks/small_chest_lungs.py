"""Lungs in three small chest CT: one patient trains, one validates, one tests. An example and no estimate."""

from hospital_agent.analysis.segmentation.network import WorkingGrid
from hospital_agent.analysis.segmentation.unet import UNetShape
from hospital_agent.evaluation.tasks import MR_SHIFTS, FolderTask, Split, TrainingPlan, tasks

# CT has no coils and no k-space.
CT_SHIFTS = tuple(family for family in MR_SHIFTS if family not in ("bias_field", "spikes"))

SMALL_CHEST_LUNGS = FolderTask(
    name="small_chest_lungs",
    label_names=("lungs",),
    grid=WorkingGrid(spacing_mm=(5.0, 5.0, 5.0), tile=(48, 64, 64)),
    shape=UNetShape(channels=(8, 16, 32, 64), classes=2),
    plan=TrainingPlan(patch=(32, 48, 48), steps=200, batch=2),
    split=Split(validation=1, test=1),
    images="small_chest_ct/images",
    labels="small_chest_ct/lungs",
    patient_of=lambda name: name,
    families=CT_SHIFTS,
    modality="CT",
)
tasks.register("small_chest_lungs")(SMALL_CHEST_LUNGS)
