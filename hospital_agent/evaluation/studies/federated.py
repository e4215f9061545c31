"""Federated training against pooled and local training, at sites of different sizes and scanners."""

from hospital_agent.evaluation.federated.chests import CHEST_SITES, SimulatedChests, kind_of
from hospital_agent.evaluation.federated.images import FolderImages
from hospital_agent.evaluation.federated.study import Dataset, Federated
from hospital_agent.evaluation.federated.training import FederatedPlan
from hospital_agent.evaluation.studies import studies

CHESTS = SimulatedChests()
studies.register("federated")(
    Federated(
        [
            Dataset(FolderImages("hippocampus"), FederatedPlan(rounds=10, steps=35)),
            Dataset(FolderImages("cardiac_mr"), FederatedPlan(rounds=10, steps=40, batch=4, learning_rate=5e-3)),
            Dataset(CHESTS, FederatedPlan(rounds=10, steps=30), CHEST_SITES, CHESTS.told, kind_of),
        ]
    )
)
