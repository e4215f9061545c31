"""What the papers claim of one method beside another, and what our numbers say of it: a sentence each, none by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hospital_agent.analysis.metrics.patient_bootstrap import DRAWS
from hospital_agent.evaluation.bootstrap import compare
from hospital_agent.evaluation.markdown import mean, signed
from hospital_agent.evaluation.results import Results
from hospital_agent.evaluation.rows import Method, Scored

Measure = Literal["spearman", "auc"]


@dataclass(frozen=True)
class Claim:
    """That one method is above another in a measure.

    Args:
        source: the paper.
        says: the claim, in words of ours.
        above, below: methods; the first is said to be the higher one.
        measure: "spearman" with 1 - Dice, or "auc" of shifted against unshifted images; both macro-averaged.
    """

    source: str
    says: str
    above: str
    below: str
    measure: Measure


CLAIMS = (
    Claim(
        "Lennartz and Schultz 2023",
        "segmentation distortion follows the error more closely than a distance of pooled features",
        "segmentation_distortion",
        "pooled_mahalanobis",
        "spearman",
    ),
    Claim(
        "Lennartz and Schultz 2023",
        "a distance of latent features follows the error less closely than segmentation distortion",
        "segmentation_distortion",
        "latent_mahalanobis",
        "spearman",
    ),
    Claim(
        "Lennartz and Schultz 2023",
        "distances of latent features tell another scanner better than segmentation distortion does",
        "latent_mahalanobis",
        "segmentation_distortion",
        "auc",
    ),
    Claim(
        "González et al. 2021",
        "the Mahalanobis distance tells shifted images better than the maximum softmax does",
        "mahalanobis",
        "max_softmax",
        "auc",
    ),
    Claim(
        "Karimi and Gholipour 2022",
        "the spectral signature tells shifted images better than a Mahalanobis distance of each class does",
        "spectral_signature_paper",
        "mah_dist",
        "auc",
    ),
    Claim(
        "Galati and Zuluaga 2021",
        "what a mask loses in its reconstruction stands for its error, more than its size does",
        "mask_autoencoder_pdc",
        "volume",
        "spearman",
    ),
)


def checked(
    rows: Sequence[Scored], methods: Sequence[Method], results: Results, draws: int = DRAWS
) -> list[dict[str, str]]:
    """Each claim that a task's numbers say anything of, and what they say, as JSON values."""
    known = {method.name: method for method in methods if method.not_applicable is None}
    found = []
    for claim in CLAIMS:
        if claim.above not in known or claim.below not in known:
            continue
        says = (
            _by_interval(claim, rows, known[claim.below], results, draws)
            if claim.measure == "spearman"
            else _by_seeds(claim, results)
        )
        if says:
            found.append({"source": claim.source, "claim": claim.says, "here": says})
    return found


def _by_interval(claim: Claim, rows: Sequence[Scored], below: Method, results: Results, draws: int) -> str:
    """Spearman has paired intervals over patients."""
    (one,) = (each for each in compare(rows, [below], claim.above, draws) if each.measure == claim.measure)
    if one.estimate is None or one.low is None or one.high is None:
        return ""
    verdict = "it holds" if one.beats else "the opposite holds" if one.beaten else "it can be told neither way"
    difference = f"{signed(one.estimate)}, {signed(one.low)} to {signed(one.high)}"
    by_seed = ", ".join(signed(value) for value in one.seeds)
    return f"{verdict}: Spearman {_both(claim, results)} (difference {difference}; by seed {by_seed})"


def _by_seeds(claim: Claim, results: Results) -> str:
    """AUC has the spread over seeds."""
    above, below = (results.overall(name, claim.measure) for name in (claim.above, claim.below))
    if above is None or below is None or len(above.values) != len(below.values):
        return ""
    higher = sum(ours > theirs for ours, theirs in zip(above.values, below.values, strict=True))
    return f"so it is in {higher} of {len(above.values)} seeds: AUC {_both(claim, results)}"


def _both(claim: Claim, results: Results) -> str:
    above, below = (mean(results.overall(name, claim.measure)) for name in (claim.above, claim.below))
    return f"{above} of `{claim.above}`, {below} of `{claim.below}`"
