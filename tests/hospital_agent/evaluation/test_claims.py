"""The papers' claims beside our numbers: a verdict follows from an interval or from the seeds, or is not given."""

import pytest

from hospital_agent.analysis.ood import ood_scores
from hospital_agent.analysis.uncertainty import uncertainty_scores
from hospital_agent.evaluation.claims import CLAIMS, checked
from hospital_agent.evaluation.results import Results
from hospital_agent.evaluation.rows import Method, Scored
from hospital_agent.evaluation.summary import result_rows
from tests.scored_rows import drawn_rows

METHODS = [
    Method("segmentation_distortion"),
    Method("pooled_mahalanobis"),
    Method("mahalanobis"),
    Method("max_softmax"),
]


def told(noise: dict[str, float], methods: list[Method] = METHODS) -> dict[str, str]:
    rows = drawn_rows(noise, patients=12)
    results = Results(result_rows(rows, methods))
    return {one["claim"]: one["here"] for one in checked(rows, methods, results, draws=200)}


@pytest.mark.parametrize(("ours", "theirs", "verdict"), [(0.02, 2.0, "it holds:"), (2.0, 0.02, "the opposite holds:")])
def test_the_verdict_follows_the_interval(ours: float, theirs: float, verdict: str) -> None:
    found = told({"segmentation_distortion": ours, "pooled_mahalanobis": theirs})
    (says,) = found.values()
    assert says.startswith(verdict)
    assert "`segmentation_distortion`" in says
    assert says.partition("; by seed ")[2].count(", ") == 2


def test_equal_methods_can_be_told_neither_way() -> None:
    rows = drawn_rows({"segmentation_distortion": 0.1}, patients=8)
    twins = [
        Scored(**{**vars(r), "values": {**r.values, "pooled_mahalanobis": r.values["segmentation_distortion"]}})
        for r in rows
    ]
    (one,) = checked(twins, METHODS[:2], Results(result_rows(twins, METHODS[:2])), draws=50)
    assert one["here"].startswith("it can be told neither way: Spearman")
    assert one["source"] == "Lennartz and Schultz 2023"


def test_auc_counts_the_seeds() -> None:
    (says,) = told({"mahalanobis": 0.02, "max_softmax": 3.0}).values()
    assert says.startswith("so it is in 3 of 3 seeds: AUC ")


def test_what_cannot_run_is_claimed_nothing_of() -> None:
    assert told({"segmentation_distortion": 0.1, "mahalanobis": 0.1}) == {}
    none = [Method("segmentation_distortion", not_applicable="No autoencoder."), Method("pooled_mahalanobis")]
    assert told({"segmentation_distortion": 0.1, "pooled_mahalanobis": 0.1}, none) == {}


def test_every_claim_is_about_registered_methods() -> None:
    uncertainty_scores.load("hospital_agent.analysis.uncertainty")
    ood_scores.load("hospital_agent.analysis.ood")
    names = {*uncertainty_scores.names(), *ood_scores.names(), "volume"}
    assert {name for claim in CLAIMS for name in (claim.above, claim.below)} <= names
