"""What a story needs of the system that it happens in, be its programs processes or containers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from demo.patients import Site
from shared.read_models import AlertView, SiteOverview


class Clinic(Protocol):
    """A hospital with its agent."""

    @property
    def site(self) -> Site: ...

    @property
    def inbox(self) -> Path: ...

    @property
    def waiting(self) -> int: ...

    def ask(self, *command: str) -> Any: ...

    def ask_lines(self, *command: str) -> list[Any]: ...


class Cable(Protocol):
    """The way from a hospital to the centre."""

    def cut(self) -> None: ...

    def mend(self) -> None: ...


class Running(Protocol):
    """The programs, by name."""

    def check(self) -> None: ...

    def kill(self, name: str) -> Any: ...

    def again(self, ended: Any) -> object: ...


class System(Protocol):
    """A centre and its hospitals."""

    @property
    def folder(self) -> Path: ...

    @property
    def dashboard(self) -> str: ...

    @property
    def lead(self) -> str: ...

    @property
    def password(self) -> str: ...

    @property
    def hospitals(self) -> Sequence[Clinic]: ...

    @property
    def programs(self) -> Running: ...

    @property
    def lines(self) -> Mapping[str, Cable]: ...

    def get(self, path: str) -> Any: ...

    def alerts(self) -> list[AlertView]: ...

    def sites(self) -> dict[str, SiteOverview]: ...


class Calibrating(Protocol):
    """The federated work of a system."""

    @property
    def lines(self) -> Mapping[str, Cable]: ...

    def run(self, job: str, deadline_s: int = 600) -> None: ...

    def wait_for_nodes(self) -> None: ...
