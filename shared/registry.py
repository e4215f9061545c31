"""Names to things, so that a new feature, score or rule is one new file and no edit elsewhere."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from shared.errors import UnknownName

T = TypeVar("T")
U = TypeVar("U")


class Registry(Generic[T]):
    """A dictionary that is filled by decorators and answers a wrong name with the nearest right one.

    Example:
        >>> rules: Registry[object] = Registry("rule")
        >>> @rules.register("site_silent")
        ... class SiteSilent: ...
        >>> rules.names()
        ('site_silent',)
        >>> rules.get("site_silnt")
        Traceback (most recent call last):
        shared.errors.UnknownName: There is no rule 'site_silnt'. Did you mean 'site_silent'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[U], U]:
        """Put the decorated class, function or value under `name`; the same name twice is a mistake."""

        def put(thing: U) -> U:
            if name in self._things:
                raise ValueError(f"The {self.kind} '{name}' is registered twice.")
            self._things[name] = thing  # type: ignore[assignment]
            return thing

        return put

    def get(self, name: str) -> T:
        """The thing under `name`.

        Raises:
            UnknownName: nothing is registered under it.
        """
        if name in self._things:
            return self._things[name]
        near = get_close_matches(name, self._things, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(self.names()) or 'none'}."
        raise UnknownName(f"There is no {self.kind} '{name}'. {hint}")

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._things))

    def items(self) -> Iterator[tuple[str, T]]:
        """Name and thing, in the order of names()."""
        return ((name, self._things[name]) for name in self.names())

    def load(self, package: str) -> "Registry[T]":
        """Import every module of `package`, so that their decorators run; returns self."""
        root = importlib.import_module(package)
        for module in pkgutil.iter_modules(root.__path__, prefix=f"{package}."):
            importlib.import_module(module.name)
        return self
