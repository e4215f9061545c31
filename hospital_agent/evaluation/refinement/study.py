"""One seed of the study of refinement: what four ways of segmenting make of the same test images.

    before            the network of the task, as trained
    selected          for each image the best of its three best checkpoints, as the mask autoencoder sees it
    refined           refined on the flagged test images, whose references it is not shown
    refined_selected  the best of the last three epochs of the refinement

The test images, as they are and under every shift family at one strength, are the site's unlabelled cases; the
validation images as they are, are its annotated ones, of which a part only checks. Fences come from validation.

Source:
    QC autoencoder and refinement 2021, sec. 2.2, 2.3 and 3. Differs: the annotated cases are validation images that the
    network was not trained on; the candidates of the refined network are its last epochs, not three refined networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from tqdm import tqdm

from hospital_agent.analysis.errors import AnalysisError
from hospital_agent.analysis.quality.tukey import Fences, fences_of
from hospital_agent.analysis.segmentation.base import Segmenter
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.network import NetworkSegmenter
from hospital_agent.analysis.segmentation.selected import SelectedSegmenter
from hospital_agent.evaluation.rows import Condition
from hospital_agent.training.refinement import Refined, RefinementPlan, attempt, with_network
from hospital_agent.training.refinement_cases import RefinementCase, look, looked_at, refuse_what_is_worse

BEFORE, SELECTED, REFINED, REFINED_SELECTED = VARIANTS = ("before", "selected", "refined", "refined_selected")
PROPOSED = "proposed"


@dataclass(frozen=True)
class RefinedCase:
    """One test image under one condition, as each way of segmenting has it.

    Args:
        flagged: whether the mask of the network before was flagged.
        dice, hausdorff_mm: variant -> mean over the labels; see `Looked`. A refinement that did not begin has no
            refined variants.
    """

    patient: str
    case: str
    family: str
    strength: int
    flagged: bool
    dice: Mapping[str, float | None]
    hausdorff_mm: Mapping[str, float | None]


@dataclass(frozen=True)
class SeedRefinement:
    """What came of one seed.

    Args:
        outcome: "proposed", or the sentence with which the product refuses.
        epochs, flagged_before, flagged_after: of the refinement; 0 where it did not begin.
    """

    seed: int
    outcome: str
    epochs: int
    flagged_before: int
    flagged_after: int
    cases: Sequence[RefinedCase]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """It again."""
        return cls(**{**told, "cases": [RefinedCase(**case) for case in told["cases"]]})


@dataclass(frozen=True, eq=False)
class Parts:
    """What one seed is refined with, and on whom it is measured.

    Args:
        candidates: the best checkpoints of one training, best first; the first is the network that is refined.
        annotated: validation images with their references.
        shown: test images under their conditions, without labels; what the refinement may look at.
        truths: the same with their labels, for measuring alone.
        conditions: of each.
    """

    candidates: Sequence[NetworkSegmenter]
    autoencoder: MaskAutoencoder
    annotated: Sequence[RefinementCase]
    shown: Sequence[RefinementCase]
    truths: Sequence[RefinementCase]
    conditions: Sequence[Condition]


def study(parts: Parts, plan: RefinementPlan, seed: int) -> SeedRefinement:
    """Refine, and measure the four ways of segmenting.

    Raises:
        TooFewCases: fewer than four validation masks can be judged, so there are no fences.
    """
    before = parts.candidates[0]
    fences = fences_of(look(before, parts.autoencoder, case).pseudo for case in parts.annotated)
    ways: dict[str, Segmenter] = {
        BEFORE: before,
        SELECTED: SelectedSegmenter(parts.candidates, parts.autoencoder, fences),
    }
    made: Refined | None = None
    try:
        made = attempt(before, parts.autoencoder, parts.shown, parts.annotated, fences, plan, tqdm.write)
        refuse_what_is_worse(made.table)
        outcome = PROPOSED
    except AnalysisError as refusal:  # to begin, or to propose what was made
        outcome = str(refusal)
    if made is not None:
        networks = [with_network(before, network) for network in made.candidates]
        ways[REFINED] = networks[0]
        ways[REFINED_SELECTED] = SelectedSegmenter(networks, parts.autoencoder, fences)
    cases = [
        _measured(case, condition, ways, parts.autoencoder, fences)
        for case, condition in zip(tqdm(parts.truths, desc=f"seed {seed}: refined"), parts.conditions, strict=True)
    ]
    counts = (0, 0, 0) if made is None else (made.epochs, len(made.flagged_before), len(made.flagged_after))
    return SeedRefinement(seed, outcome, *counts, cases)


def _measured(
    case: RefinementCase,
    condition: Condition,
    ways: Mapping[str, Segmenter],
    autoencoder: MaskAutoencoder,
    fences: Fences,
) -> RefinedCase:
    looked = {
        name: looked_at(autoencoder.attached(way.segment(case.volume), case.volume.spacing_mm), autoencoder, case)
        for name, way in ways.items()
    }
    return RefinedCase(
        case.patient,
        case.name,
        condition.family,
        condition.strength,
        fences.flags(looked[BEFORE].pseudo),
        {name: one.dice for name, one in looked.items()},
        {name: one.hausdorff_mm for name, one in looked.items()},
    )
