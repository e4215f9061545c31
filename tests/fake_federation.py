"""Federated runs and keys as the centre answers them, in every state, for the centre in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from shared.federation.read_models import FederationKey, MissingSite, RoundView, RunDetail, RunOverview, RunState, Told
from shared.federation.site_keys import fingerprint, key_as_text

WORDS = {
    "silent": "did not answer in time",
    "not_allowed": "its own policy does not allow this",
    "too_few_patients": "has too few patients",
    "plans_differ": "would sum something else: another version or model",
}
SENTENCES = {
    "proposed": "Asked for; nobody has taken it up yet.",
    "running": "The sites are computing.",
    "interrupted": "Whoever led this run gives no sign of life any more. There is no result; ask for the job again.",
}


def run_id(number: int) -> str:
    """The id of the run of this number in `runs`, from 1."""
    return f"{number:032x}"


def runs(sites: Sequence[str], now: datetime) -> list[RunDetail]:
    """One that runs, one proposed, one failed, one interrupted, two completed; newest first."""
    few, without = sites[:2], {sites[-1]: "silent"}
    there = [site for site in sites if site not in without]
    refusing = {sites[2]: "not_allowed", **without}
    trained = [site for site in sites if site not in refusing]
    scattered = dict(zip(sites[2:], [*WORDS][1:] + ["silent"] * len(sites), strict=False))
    return [
        _run(6, "logistic", "running", now - timedelta(minutes=2), there, without,
             _same_rounds(2, there, without, 13.4, 11_900), options={"ridge": 0.01}),
        _run(5, "histograms", "proposed", now - timedelta(minutes=9), (), {}, []),
        _run(4, "conformal", "failed", now - timedelta(hours=7), (), scattered, [],
             f"Only {len(few)} sites take part; at least 3 must.", {"coverage": 0.9}, invited=sites),
        _run(3, "train_segmenter", "interrupted", now - timedelta(days=1, hours=3), trained, refusing,
             _same_rounds(14, trained, refusing, 312.0, 13_830_400), options={"proximal": 0.01, "rounds": 20}),
        _run(2, "gaussian", "completed", now - timedelta(days=3), there, without,
             [_round(1, 1, sites, {}, 41.2, 92_300), *_same_rounds(2, there, without, 63.0, 8_412_700, attempt=2)],
             f"{len(there)} sites took part in 2 rounds.", {"score": "mahalanobis", "check_weight": True},
             {"sites": len(there), "rows": 90_368, "patients": 1_412, "weight": 0.0071}),
        _run(1, "train_segmenter", "completed", now - timedelta(days=30), sites, {},
             _same_rounds(10, sites, {}, 296.0, 13_830_400), f"{len(sites)} sites took part in 10 rounds.",
             {"proximal": 0.0, "rounds": 10},
             {"sites": len(sites), "cases": 312, "patients": 298, "dice_before": 0.8412, "dice_after": 0.8655,
              "proposed": True}),
    ]  # fmt: skip


def _run(
    number: int, job: str, state: RunState, created_at: datetime, there: Sequence[str], missing: dict[str, str],
    rounds: list[RoundView], sentence: str = "", options: dict[str, Told] | None = None,
    told: dict[str, Told] | None = None, invited: Sequence[str] = (),
) -> RunDetail:  # fmt: skip
    took = sum(one.seconds for one in rounds)
    invited = invited or sorted({*there, *missing})
    sentence = sentence or SENTENCES[state]
    begun = None if state == "proposed" else created_at + timedelta(seconds=5)
    over = state in ("completed", "failed")
    placed = [
        one.model_copy(update={"ended_at": created_at + timedelta(seconds=5 + sum(r.seconds for r in rounds[: i + 1]))})
        for i, one in enumerate(rounds)
    ]
    overview = RunOverview(
        run=run_id(number), job=job, options=options or {}, state=state, sentence=sentence, actor="command-line",
        created_at=created_at, started_at=begun, ended_at=created_at + timedelta(seconds=took + 5) if over else None,
        invited=tuple(sorted(invited)), contributors=tuple(sorted(there)), missing=_missing(missing),
        told=told or {}, round_count=len(rounds), seconds=took, bytes_per_site=sum(r.bytes_per_site for r in rounds),
    )  # fmt: skip
    return RunDetail(overview=overview, deadline_s=600, asked_sites=None, rounds=tuple(placed))


def _same_rounds(
    count: int, there: Sequence[str], missing: dict[str, str], seconds: float, sent: int, attempt: int = 1
) -> list[RoundView]:
    return [_round(attempt, i + 1, there, missing, seconds + i * seconds / 50, sent) for i in range(count)]


def _round(
    attempt: int, number: int, there: Sequence[str], missing: dict[str, str], seconds: float, sent: int
) -> RoundView:
    return RoundView(
        attempt=attempt, number=number, contributors=tuple(sorted(there)), missing=_missing(missing), seconds=seconds,
        bytes_per_site=sent, ended_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


def _missing(reasons: dict[str, str]) -> tuple[MissingSite, ...]:
    return tuple(MissingSite(site=site, reason=slug, words=WORDS[slug]) for site, slug in sorted(reasons.items()))


def keys(sites: Sequence[str], now: datetime) -> list[FederationKey]:
    """One key a site, and an older one of the first."""
    older = _key(sites[0], "older", now - timedelta(days=90), None, now - timedelta(days=40))
    return [older, *(_key(site, "good", now - timedelta(days=40), now - timedelta(minutes=1), None) for site in sites)]


def _key(
    site: str, which: str, registered_at: datetime, seen_at: datetime | None, revoked_at: datetime | None
) -> FederationKey:
    public = sha256(f"{site} {which}".encode()).digest()
    return FederationKey(
        site=site, fingerprint=fingerprint(public), public_key=key_as_text(public), registered_at=registered_at,
        registered_by="command-line", last_seen_at=seen_at, revoked_at=revoked_at,
    )  # fmt: skip
