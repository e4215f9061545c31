"""What the study says, from numbers small enough to check by hand."""

from hospital_agent.evaluation.refinement.study import PROPOSED, RefinedCase, SeedRefinement
from hospital_agent.evaluation.refinement.told import compared, section, sentences_of, summary_of, table_of


def seen(patient: str, family: str, flagged: bool, dice: tuple[float, float], far: tuple[float, float]) -> RefinedCase:
    """Before and refined; selection changes nothing."""
    told = [{"before": one[0], "selected": one[0], "refined": one[1]} for one in (dice, far)]
    return RefinedCase(patient, f"{patient}, {family}", family, int(family != "none"), flagged, told[0], told[1])


CASES = [
    seen("a", "none", False, (0.9, 0.9), (5, 5)),
    seen("b", "none", False, (0.8, 0.7), (6, 7)),
    seen("a", "spikes", True, (0.4, 0.6), (40, 20)),
    seen("b", "spikes", True, (0.2, 0.4), (60, 50)),
    seen("a", "bias_field", False, (0.7, 0.5), (10, 12)),
    seen("b", "bias_field", False, (0.7, 0.6), (10, 14)),
]
SEEDS = [SeedRefinement(0, PROPOSED, 3, 2, 0, CASES), SeedRefinement(1, "No case is flagged.", 0, 0, 0, [])]


def test_groups_are_compared_before_and_after() -> None:
    found = compared(SEEDS, "hausdorff_mm", "refined", lambda case: case.flagged)
    assert (found.before, found.after, found.count, found.patients) == (50, 35, 2, 2)
    assert (found.low, found.high) == (-20, -10)
    assert not found.worse
    lines = table_of(SEEDS).splitlines()
    assert "| flagged | Hausdorff distance (mm) | refined | 2 | 50.0 | 35.0 | -15.0, -20.0 to -10.0 |" in lines
    assert "| unshifted | Dice | refined | 2 | 0.850 | 0.800 | -0.050, -0.100 to +0.000 |" in lines
    assert "| shifted, not flagged | Dice | refined | 2 | 0.700 | 0.550 | -0.150, -0.200 to -0.100 |" in lines
    assert not any("refined selected" in line for line in lines), "nobody measured it"


def test_the_sentences_follow_the_numbers() -> None:
    said = sentences_of(SEEDS)
    assert said[0] == (
        "The refined model is proposed for 1 of 2 seeds; flagged images went from 2 to 0. "
        "Refused: seed 1: No case is flagged."
    )
    assert "Dice of unshifted images: 0.850 before, 0.800 refined" in said[1]
    assert said[1].endswith("they cannot be told apart.")
    assert "Hausdorff distance (mm) of flagged images: 50.0 before, 35.0 refined" in said[2]
    assert said[2].endswith("better.")
    assert said[-1] == (
        "By shift family, in Dice: it helps spikes (+0.200, +0.200 to +0.200), "
        "and it hurts bias field (-0.150, -0.200 to -0.100)."
    )


def test_a_study_without_any_case_says_why() -> None:
    nothing = [SeedRefinement(0, "Fences need at least 4 cases.", 0, 0, 0, [])]
    told = summary_of(nothing)
    assert told["table"] == ""
    assert told["findings"] == [
        "The refined model is proposed for 0 of 1 seeds. Refused: seed 0: Fences need at least 4 cases."
    ]
    assert section("## Title", told)[0] == "## Title\n"
