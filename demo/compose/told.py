"""What a check says on its way and at its end: sentences with seconds, and a table of what was proved."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from demo.story import Say


@dataclass
class Told:
    """The account of one check."""

    say: Say
    begun: float = field(default_factory=time.monotonic)
    phases: list[tuple[str, float]] = field(default_factory=list)
    proved: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A part of the check; says what is done, and how long it took."""
        begun = time.monotonic()
        self.say(f"== {name}")
        yield
        seconds = time.monotonic() - begun
        self.phases.append((name, seconds))
        self.say(f"== {name}: {seconds:.0f} s")

    def prove(self, what: str, evidence: str) -> None:
        """Something that was to be shown, and what shows it."""
        self.proved.append((what, evidence))
        self.say(f"proved: {what}: {evidence}")

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.begun

    def table(self) -> str:
        """What was proved, and the seconds of each phase."""
        rows = [("proved", "by"), *self.proved]
        width = max(len(what) for what, _ in rows)
        lines = [f"{what.ljust(width)}  {evidence}" for what, evidence in rows]
        lines.insert(1, "-" * max(map(len, lines)))
        lines += ["", *(f"{seconds:7.0f} s  {name}" for name, seconds in self.phases), f"{self.seconds:7.0f} s  in all"]
        return "\n".join(lines)
