"""Failed sign-ins are counted by address; passes run one at a time and none is forgotten."""

import threading

import pytest

from central_server import centre as centre_module
from central_server.centre import AttemptLimit
from central_server.errors import TooManyAttempts
from central_server.monitoring import PassResult
from tests.central_world import OwnClock, World


def test_one_address_does_not_hold_up_another() -> None:
    clock = OwnClock()
    limit = AttemptLimit(2, clock)
    limit.reserve("10.0.0.1")
    limit.reserve("10.0.0.1")
    with pytest.raises(TooManyAttempts) as error:
        limit.reserve("10.0.0.1")
    assert error.value.retry_after_s == 61
    limit.reserve("10.0.0.2")
    clock.forward(seconds=60)
    limit.reserve("10.0.0.1")


def test_an_attempt_that_proves_right_is_not_counted() -> None:
    limit = AttemptLimit(2, OwnClock())
    limit.reserve("10.0.0.1")
    for _ in range(5):
        limit.give_back("10.0.0.1", limit.reserve("10.0.0.1"))
    limit.reserve("10.0.0.1")
    with pytest.raises(TooManyAttempts):
        limit.reserve("10.0.0.1")


def test_addresses_that_failed_long_ago_are_forgotten() -> None:
    clock = OwnClock()
    limit = AttemptLimit(2, clock)
    for i in range(50):
        limit.reserve(f"10.0.0.{i}")
    clock.forward(minutes=2)
    limit.reserve("10.0.1.1")
    assert list(limit._failures) == ["10.0.1.1"]


def test_a_nudge_during_a_pass_makes_one_more_follow(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    passes: list[int] = []

    def slow(*_: object) -> PassResult:
        passes.append(threading.get_ident())
        began.set()
        go_on.wait(10)
        return PassResult()

    monkeypatch.setattr(centre_module, "run_pass", slow)
    first = threading.Thread(target=small_world.centre.monitor.nudge)
    first.start()
    assert began.wait(10)
    for _ in range(3):
        small_world.centre.monitor.nudge()
    go_on.set()
    first.join(10)
    assert len(passes) == 2
    assert len(set(passes)) == 1
