"""What jobs that train a network share: the centre's options, who teaches and who judges, what is told and proposed.

A job says what it trains and on which cases (`Trainee`); everything else is the same for a segmenter and an
autoencoder: the same patients again until k have changed, held-out patients who judge and never teach, averaged changes
that are shortened and may be noised, and a proposal only where the held-out cases of all sites together are better off.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import Field

from hospital_agent.federation.asked import JobOptions, NoData
from hospital_agent.federation.jobs.averaging import AveragedNetwork, AveragingJob, Noise
from hospital_agent.federation.jobs.cohort import FEWEST_PATIENTS
from hospital_agent.federation.proposals import OWN_PATIENTS, keep_proposal, patients_file
from hospital_agent.federation.site_jobs import AtSite, Ended
from hospital_agent.federation.steady import given_patients, steady
from hospital_agent.reporting.privacy import Policy
from hospital_agent.settings import Settings
from shared.federation.messages import Option
from shared.logs import logger

if TYPE_CHECKING:
    from torch import nn

    from hospital_agent.training.local_training import LocalPlan, LocalTrainer

SHORT = 16  # digits of a hash in the name of a quantity
JUDGES = 5  # one patient of five judges weights, and is not learnt from
log = logger("federation")


class TrainingOptions(JobOptions):
    """What the centre may choose, within bounds that keep a site's machine its own.

    Args:
        rounds, steps: averages, and optimiser steps at a site between two of them.
        learning_rate: in the first round.
        proximal: mu of FedProx; 0 is FedAvg.
        local_norms: FedBN.
        longest_change: Euclidean length beyond which a site's change of the weights is shortened.
        noise: multiplier of the Gaussian noise that each site adds; 0 for none.
    """

    rounds: int = Field(default=10, ge=1, le=100)
    steps: int = Field(default=50, ge=1, le=2000)
    learning_rate: float = Field(default=1e-3, gt=0, le=0.1)
    proximal: float = Field(default=0.0, ge=0, le=10)
    local_norms: bool = False
    longest_change: float = Field(default=20.0, gt=0, le=1000)
    noise: float = Field(default=0.0, ge=0, le=1000)


class OfPatient(Protocol):
    """A case that says by a pseudonym whose it is."""

    @property
    def patient(self) -> str:
        """Pseudonym."""
        ...


C = TypeVar("C", bound=OfPatient)


@dataclass(frozen=True, eq=False)
class Trainee(Generic[C]):
    """What one job trains, and on what.

    Args:
        job: its name, which begins with `train_`.
        model: hash of the model folder.
        network: as that folder holds it, so the same at every site; it is changed.
        cases: reads those of the site.
        content: what of a case goes into the training, so that it shows when that changes.
        trainer: (cases to learn from, cases to judge on, how, seed of the site's own) -> training at this site.
        file: name of the proposed file, as a model folder has it.
        written: what that file holds, from the network as it stands.
        judged: what the mean over held-out cases is called where it is told.
        weight_decay: of the optimiser.
    """

    job: str
    model: str
    network: "nn.Module"
    cases: Callable[[], Sequence[C]]
    content: Callable[[C], bytes]
    trainer: "Callable[[Sequence[C], Sequence[C], LocalPlan, int], LocalTrainer]"
    file: str
    written: Callable[[], bytes]
    judged: str = "dice"
    weight_decay: float = 1e-4

    @property
    def quantity(self) -> str:
        """What the sums are of."""
        return f"{self.job}/{self.model[:SHORT]}"


def training_at_site(
    settings: Settings, asked: TrainingOptions, policy: Policy, trainee: Trainee[C]
) -> AtSite[Any, AveragedNetwork]:
    """One site's part in the training of a network.

    Raises:
        NotFinite: the weights to begin with are not finite.
        NotApplicable: the network has no weights to share.
    """
    from hospital_agent.training.local_training import LocalPlan, SharedWeights

    plan = LocalPlan(
        asked.rounds, asked.steps, asked.learning_rate, trainee.weight_decay, asked.proximal, asked.local_norms
    )
    shared = SharedWeights(trainee.network, local_norms=asked.local_norms)
    job = AveragingJob(
        shared.read(), rounds=asked.rounds, longest_change=asked.longest_change,
        noise=Noise(asked.noise) if asked.noise else None, fewest_patients=max(FEWEST_PATIENTS, policy.k),
    )  # fmt: skip

    def data() -> "LocalTrainer":
        cases = given(settings, trainee, policy.k)
        teachers, judges = parted(case.patient for case in cases)
        return trainee.trainer(
            [case for case in cases if case.patient in teachers],
            [case for case in cases if case.patient in judges],
            plan,
            own_seed(settings.site),
        )

    def conclude(result: AveragedNetwork, ended: Ended) -> Mapping[str, Option]:
        told = told_of(result, trainee.judged)
        if result.is_better:
            shared.write(result.weights)
            files = {trainee.file: trainee.written(), OWN_PATIENTS: patients_file(_teachers(settings, trainee, ended))}
            card = {name: value for name, value in told.items() if name not in ("sites", "proposed")}  # it names them
            keep_proposal(settings, trainee.job, trainee.model, ended, card, files)
        return told

    return AtSite(job, trainee.quantity, data, conclude)


def given(settings: Settings, trainee: Trainee[C], k: int) -> list[C]:
    """The cases of the patients who may be given now (`steady`).

    Raises:
        NoData: they are of fewer than two patients: one teaches and one judges.
        TooFewChanged: too few patients have changed since the last sum.
    """
    cases = trainee.cases()
    if len({case.patient for case in cases}) < 2:
        raise NoData("Federated training needs cases of at least two patients at a site.")
    kept = steady(settings, trainee.quantity, [(case.patient, trainee.content(case)) for case in cases], k)
    return [case for case, may in zip(cases, kept, strict=True) if may]


def parted(patients: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Patients to learn from, and others to judge on: those whose pseudonyms have the smallest hashes.

    It follows from the set alone, so a site that was restarted parts the same patients the same way.
    """
    order = sorted(set(patients), key=lambda name: sha256(name.encode()).digest())
    count = max(1, len(order) // JUDGES)
    return frozenset(order[count:]), frozenset(order[:count])


def case_left_out(_said: str) -> None:
    """Where a case is left out nobody reads a sentence that may name a file; the log counts it."""
    log.info("federated_case_left_out")


def own_seed(site: str) -> int:
    """Another for every site."""
    return int.from_bytes(sha256(site.encode()).digest()[:4], "big")


def told_of(result: AveragedNetwork, judged: str) -> dict[str, Option]:
    """What may be told of a training: it follows from the totals alone."""
    told: dict[str, Option] = {
        "sites": result.cohort.sites,
        "cases": result.cohort.rows,
        "patients": result.cohort.patients,
        f"{judged}_before": round(result.dice[0], 4),
        f"{judged}_after": round(result.dice[-1], 4),
        "proposed": result.is_better,
    }
    if result.epsilon is not None:
        told["epsilon"] = round(result.epsilon, 2)
    return told


def _teachers(settings: Settings, trainee: Trainee[C], ended: Ended) -> frozenset[str]:
    """The patients of this site from whom the network has learnt; nobody where the site is not in the totals."""
    if settings.site not in ended.contributors:
        return frozenset()
    return parted(given_patients(settings, trainee.quantity))[0]
