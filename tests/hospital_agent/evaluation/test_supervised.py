"""What learns from shifts never sees the family, nor the patient, that it is asked about."""

from collections.abc import Mapping, Sequence

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.evaluation.rows import Condition, Scored
from hospital_agent.evaluation.supervised import Learner, Risk, with_learners

FAMILIES = ("blur", "spikes")


def row(split: str, patient: str, condition: Condition) -> Scored:
    return Scored("task", 0, split, patient, f"{patient}_0", condition, 0.5, {}, None, None, None, None, {"x": 1.0})  # type: ignore[arg-type]


def rows() -> list[Scored]:
    conditions = (Condition(), *(Condition(family, 1) for family in FAMILIES))
    people = [("validation", f"v{i}") for i in range(6)] + [("test", f"t{i}") for i in range(3)] + [("train", "a")]
    return [row(split, patient, condition) for split, patient in people for condition in conditions]


class Remembering:
    """Learns by heart whom and what it saw; its answer for a case is the place of that memory."""

    def __init__(self) -> None:
        self.seen: list[tuple[set[str], set[str]]] = []

    def __call__(
        self,
        cases: Sequence[Mapping],
        dice: Sequence[float],
        patients: Sequence[str],
        groups: Sequence[str],
        directions: Mapping,
        seed: int,
    ) -> Risk:
        assert len(cases) == len(dice) == len(patients) == len(groups)
        self.seen.append((set(patients), set(groups)))
        place = float(len(self.seen) - 1)
        return lambda scores: place


def told() -> tuple[list[Scored], Remembering]:
    memory = Remembering()
    return with_learners(rows(), [Learner("m", {"x": "higher_is_worse"}, memory)], seed=0), memory


def test_a_family_is_judged_by_a_model_that_never_saw_it() -> None:
    scored, memory = told()
    for one in scored:
        family = one.condition.family
        if one.split == "train" or family == "none":
            continue
        _, groups = memory.seen[int(one.values["m"] or 0)]
        assert family not in groups
        assert groups == {"none", *FAMILIES} - {family}


def test_unshifted_cases_are_judged_by_each_of_these_models_and_by_one_that_saw_every_family() -> None:
    scored, memory = told()
    for one in (one for one in scored if one.condition.family == "none" and one.split == "test"):
        assert memory.seen[int(one.values["m"] or 0)][1] == {"none", *FAMILIES}
        for family in FAMILIES:
            assert memory.seen[int(one.values[f"m@{family}"] or 0)][1] == {"none", *FAMILIES} - {family}


def test_validation_patients_are_judged_by_a_model_that_never_saw_them_and_test_patients_teach_nothing() -> None:
    scored, memory = told()
    for one in (one for one in scored if one.split == "validation"):
        for name in [name for name in one.values if name.startswith("m")]:
            assert one.patient not in memory.seen[int(one.values[name] or 0)][0]
    assert all(patient.startswith("v") for patients, _ in memory.seen for patient in patients)


def test_one_validation_patient_leaves_nobody_to_learn_from_and_nothing_is_asked_of_the_learner() -> None:
    memory = Remembering()
    one = [one for one in rows() if one.patient in ("v0", "t0")]
    scored = with_learners(one, [Learner("m", {}, memory)], seed=0)
    assert all(patients for patients, _ in memory.seen)
    assert all(one.values["m"] is None for one in scored if one.split == "validation")


def test_training_images_have_no_value_and_a_learner_with_too_little_gives_none() -> None:
    def refuse(*_: object) -> Risk:
        raise TooFewCases("nothing failed")

    scored = with_learners(rows(), [Learner("m", {}, refuse)], seed=0)
    assert all("m" not in one.values for one in scored if one.split == "train")
    assert all(one.values["m"] is None for one in scored if one.split == "test")
