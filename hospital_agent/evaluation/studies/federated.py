"""Federated training against pooled and local training, at sites of different sizes and scanners."""

from hospital_agent.evaluation.federated.study import Federated
from hospital_agent.evaluation.federated.training import FederatedPlan
from hospital_agent.evaluation.studies import studies

studies.register("federated")(
    Federated(
        {
            "hippocampus": FederatedPlan(rounds=10, steps=35),
            "cardiac_mr": FederatedPlan(rounds=10, steps=40, batch=4, learning_rate=5e-3),
        }
    )
)
