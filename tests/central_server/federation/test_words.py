"""Every reason that a site or the centre gives for a missing site is told in words."""

from collections.abc import Iterator

import pytest

from central_server.federation import answers, conductor
from central_server.federation.words import _WORDS, in_words
from hospital_agent.federation import asked, rules
from hospital_agent.federation.jobs.errors import JobRefused
from hospital_agent.federation.site import NotOpen, _slug
from shared.errors import SettingsError, UnknownName
from shared.federation.errors import BrokenMessage
from shared.secure_sum import errors

AT_THE_SERVER = {"TooFewSites", "SharesDoNotFit", "ImplausibleTotal", "SecureSumError"}


def kinds(base: type[Exception]) -> Iterator[type[Exception]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def reasons() -> set[str]:
    assert asked.OptionRefused in kinds(JobRefused)
    assert rules.NotAllowed in kinds(JobRefused)
    found = {kind.reason for kind in kinds(JobRefused)}  # type: ignore[attr-defined]
    sums = {kind for kind in kinds(errors.SecureSumError) if kind.__name__ not in AT_THE_SERVER}
    others = (NotOpen, UnknownName, SettingsError, BrokenMessage)
    found |= {_slug(kind("")) for kind in (*sums, *others)}  # type: ignore[arg-type]
    return found | {"internal", answers.SILENT, answers.BROKEN, conductor.PLANS_DIFFER, conductor.NO_KEY}


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_each_reason_has_words(reason: str) -> None:
    assert reason in _WORDS
    assert in_words(reason) != reason.replace("_", " ") or reason == "refused"


def test_a_reason_of_a_newer_site_is_read_as_it_is() -> None:
    assert in_words("out_of_paper") == "out of paper"
