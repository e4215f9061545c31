"""Names to things."""

import sys

import pytest

from shared.errors import MonitoringError, UnknownName
from shared.registry import Registry


def filled() -> Registry[str]:
    things: Registry[str] = Registry("score")
    things.register("mahalanobis")("M")
    things.register("entropy")("E")
    return things


def test_what_is_registered_is_found_in_the_order_of_names():
    things = filled()
    assert things.names() == ("entropy", "mahalanobis")
    assert dict(things.items()) == {"entropy": "E", "mahalanobis": "M"}
    assert things.get("entropy") == "E"


def test_decorating_leaves_the_thing_as_it_was():
    things: Registry[type] = Registry("score")

    @things.register("one")
    class One:
        pass

    assert things.get("one") is One


def test_a_near_name_is_suggested_and_a_far_one_lists_all():
    with pytest.raises(UnknownName, match="Did you mean 'mahalanobis'"):
        filled().get("mahalonobis")
    with pytest.raises(UnknownName, match="Known: entropy, mahalanobis"):
        filled().get("zzz")
    with pytest.raises(UnknownName, match="Known: none"):
        Registry("rule").get("silent")


def test_an_unknown_name_is_a_monitoring_error_and_a_lookup_error():
    assert issubclass(UnknownName, MonitoringError)
    assert issubclass(UnknownName, LookupError)


def test_the_same_name_twice_is_a_mistake():
    with pytest.raises(ValueError, match="registered twice"):
        filled().register("entropy")("other")


def test_load_imports_every_module_of_a_package(tmp_path, monkeypatch):
    package = tmp_path / "some_rules_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("from shared.registry import Registry\nrules = Registry('rule')\n")
    for name in ("first", "second"):
        (package / f"{name}.py").write_text(
            f"from some_rules_of_a_test import rules\nrules.register('{name}')({name!r})\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    from some_rules_of_a_test import rules

    assert rules.names() == ()
    assert rules.load("some_rules_of_a_test").names() == ("first", "second")
    assert rules.load("some_rules_of_a_test").names() == ("first", "second")  # twice is harmless
    for name in [name for name in sys.modules if name.startswith("some_rules_of_a_test")]:
        del sys.modules[name]
