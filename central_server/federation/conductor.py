"""Leading a run from its first question to its result, whoever falls out on the way.

The centre knows nothing of what is computed. In every round it asks the sites what they would sum next, lets those sum
who agree, and shows the total to all of them. All rounds of a run have the sites of its first total: the difference of
two totals would show the data of a site that fell out in between. A round that lacks one of them is therefore tried
again, and opened only when it is complete; when the site stays away, the run begins again without it, if the rule on
cohorts allows that.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from central_server.federation.answers import Post
from central_server.federation.cohorts import ReleasedCohorts
from central_server.federation.exchange import Exchange
from central_server.federation.one_sum import CohortIncomplete, OneSum
from central_server.federation.run_log import RoundEnded, RunBegan, RunEnded, RunLog
from shared.errors import MonitoringError
from shared.federation.messages import Closing, Opening, Option, Options, Outcome, Plan, Total
from shared.secure_sum.cohorts import SMALLEST_COHORT
from shared.secure_sum.errors import CohortTooClose, SecureSumError

PLANS_DIFFER = "plans_differ"
NO_KEY = "no_key"


class RunFailed(MonitoringError):
    """The run cannot be brought to an end; the sentence says why and names the sites."""


class BeginAgain(MonitoringError):
    """A site of the first round stays away: the run begins again with these sites."""

    def __init__(self, sites: Sequence[str]) -> None:
        self.sites = tuple(sites)
        super().__init__("The run begins again with fewer sites.")


@dataclass(frozen=True)
class RunRules:
    """How patient a run is.

    Args:
        deadline_s: how long sites have for one question.
        tries: of one round, before the run gives up a site.
        attempts: at the whole run.
        most_rounds: of one attempt; a job that wants more is stopped.
        sites: those that are invited; all that have a key or can be reached when None.
        gather_s: how long to wait at the start for sites that are known but not there; after a restart of the centre
            they come back one by one.
    """

    deadline_s: float = 600.0
    tries: int = 3
    attempts: int = 3
    most_rounds: int = 200
    sites: tuple[str, ...] | None = None
    gather_s: float = 60.0


class Conductor:
    """Leads runs.

    Args:
        exchange: reaches the sites.
        site_keys: the public site keys; a site without one is not invited.
        released: the cohorts of all sums so far, kept durably.
        log: is told what happens.
        rules: how patient.
        clock, wait: seconds, and how to let some pass.
    """

    def __init__(
        self, exchange: Exchange, site_keys: Mapping[str, bytes], released: ReleasedCohorts, log: RunLog,
        rules: RunRules | None = None, clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._exchange, self._keys, self._released, self._log = exchange, site_keys, released, log
        self._rules, self._clock, self._wait = rules or RunRules(), clock, wait

    def conduct(self, run: str, job: str, options: Options) -> RunEnded:
        """One run to its end. Tells the log and returns the last event; does not raise for what sites do."""
        lead = _Lead(self, run, job, options)
        reachable = self._gathered()
        asked = sorted(self._rules.sites if self._rules.sites is not None else reachable | set(self._keys))
        lead.missing |= {site: "silent" if site in self._keys else NO_KEY for site in asked}
        sites = [site for site in asked if site in reachable and site in self._keys]
        self._log.tell(RunBegan(run, job, options, tuple(asked)))
        try:
            ended = lead.to_the_end(sites)
        except (RunFailed, SecureSumError) as reason:
            ended = RunEnded(False, _sentence(str(reason), lead.missing), missing=lead.missing)
        self._log.tell(ended)
        return ended

    def _gathered(self) -> set[str]:
        """The sites that are there once all known ones are, or the wait for them is over."""
        known = set(self._keys) if self._rules.sites is None else set(self._rules.sites) & set(self._keys)
        ends = self._clock() + self._rules.gather_s
        while not known <= (reachable := set(self._exchange.sites())) and self._clock() < ends:
            self._wait(1.0)
        return reachable


class _Lead:
    """The leading of one run."""

    def __init__(self, conductor: Conductor, run: str, job: str, options: Options) -> None:
        self._own, self._rules = conductor, conductor._rules
        self._run, self._job, self._options = run, job, options
        self._post = Post(conductor._exchange, run, self._rules.deadline_s)
        self.missing: dict[str, str] = {}

    def to_the_end(self, sites: Sequence[str]) -> RunEnded:
        for attempt in range(1, self._rules.attempts + 1):
            try:
                return self._attempt(attempt, sites)
            except BeginAgain as again:
                sites = again.sites
        raise RunFailed(f"Sites fell out in each of {self._rules.attempts} attempts.")

    def _attempt(self, attempt: int, sites: Sequence[str]) -> RunEnded:
        totals: list[Total] = []
        while len(totals) < self._rules.most_rounds:
            begun, self._post.bytes_from = self._own._clock(), {}
            done = self._round(sites, totals)
            if done is None:
                return self._close(sites, totals)
            sites, total = done
            totals.append(total)
            for site in sites:
                self.missing.pop(site, None)
            sent = max(self._post.bytes_from.values(), default=0)
            seconds = self._own._clock() - begun
            self._own._log.tell(RoundEnded(attempt, len(totals), tuple(sites), dict(self.missing), seconds, sent))
        raise RunFailed(f"The job is not finished after {self._rules.most_rounds} rounds.")

    def _round(self, sites: Sequence[str], totals: Sequence[Total]) -> tuple[list[str], Total] | None:
        """The next total and the sites in it; None where the sites say that the job is finished."""
        problem: MonitoringError | None = None
        willing: list[str] = []
        for _ in range(self._rules.tries):
            plan, willing = self._planned(sites, totals)
            if plan.finished:
                return None
            try:
                if totals and set(willing) != set(sites):
                    raise CohortIncomplete(set(sites) - set(willing))
                self._own._released.check(plan.quantity, willing)
                return self._summed(plan, willing, len(totals) + 1, complete=bool(totals))
            except (CohortIncomplete, SecureSumError) as reason:
                problem = reason
        if isinstance(problem, CohortIncomplete):
            left = [site for site in sites if site not in problem.missing]
            self._may_go_on_without(plan.quantity, left, problem.missing)
            raise BeginAgain(left)
        raise RunFailed(str(problem))

    def _planned(self, sites: Sequence[str], totals: Sequence[Total]) -> tuple[Plan, list[str]]:
        """What most sites would sum next, and which sites these are."""
        question = Opening.made(self._run, self._job, self._options, totals)
        answers = self._post.ask_all(sites, question, Plan)
        self.missing |= answers.missing
        for site in answers.good:
            self.missing.pop(site, None)
        if len(answers.good) < SMALLEST_COHORT:
            raise RunFailed(f"Only {len(answers.good)} sites take part; at least {SMALLEST_COHORT} must.")
        plans = {site: (plan.finished, plan.quantity, plan.parts) for site, plan in answers.good.items()}
        (chosen, votes), *others = Counter(plans.values()).most_common()
        if votes < SMALLEST_COHORT or (others and others[0][1] == votes):
            raise RunFailed("The sites do not agree on what to sum; they may run different versions or models.")
        willing = sorted(site for site, plan in plans.items() if plan == chosen)
        self.missing |= {site: PLANS_DIFFER for site in plans if site not in willing}
        return answers.good[willing[0]], willing

    def _summed(self, plan: Plan, cohort: Sequence[str], number: int, *, complete: bool) -> tuple[list[str], Total]:
        one = OneSum(self._post, self._own._keys, self._own._released, number=number, quantity=plan.quantity,
                     parts=plan.parts, cohort=cohort, complete=complete)  # fmt: skip
        try:
            found = one.total()
        finally:
            self.missing |= one.missing
        (total,) = found.vectors.values()
        return list(found.contributors), total

    def _may_go_on_without(self, quantity: str, left: Sequence[str], gone: Sequence[str]) -> None:
        try:
            self._own._released.check(quantity, left)
        except SecureSumError as reason:
            named = ", ".join(gone)
            raise RunFailed(
                f"{named} fell out after a total that holds its data. A total without it would give them away: run "
                "the job again when it is back, or when at least three sites fewer take part."
                if isinstance(reason, CohortTooClose)
                else str(reason)
            ) from None

    def _close(self, sites: Sequence[str], totals: Sequence[Total]) -> RunEnded:
        question = Closing.made(self._run, self._job, self._options, totals, contributors=tuple(sites))
        answers = self._post.ask_all(sites, question, Outcome)
        if not answers.good:
            self.missing |= answers.missing
            raise RunFailed("The sums are done, but no site could make a result of them.")
        told, others = _most_told(answers.good)
        sentence = f"{len(sites)} sites took part in {len(totals)} {'round' if len(totals) == 1 else 'rounds'}."
        if answers.missing:
            sentence += f" Without the result, though their data are in it: {', '.join(sorted(answers.missing))}."
        if others:
            sentence += f" Made something else of the same totals: {', '.join(others)}."
        return RunEnded(True, _sentence(sentence, self.missing), tuple(sites), self.missing, tuple(totals), told)


def _most_told(outcomes: Mapping[str, Outcome]) -> tuple[Mapping[str, Option], list[str]]:
    """What most sites say that follows from the totals, and the sites that say something else."""
    said = {site: tuple(sorted(outcome.told.items())) for site, outcome in sorted(outcomes.items())}
    ((most, _),) = Counter(said.values()).most_common(1)
    return dict(most), [site for site, one in said.items() if one != most]


def _sentence(what: str, missing: Mapping[str, str]) -> str:
    if not missing:
        return what
    listed = ", ".join(f"{site} ({why.replace('_', ' ')})" for site, why in sorted(missing.items()))
    return f"{what} Missing: {listed}."
