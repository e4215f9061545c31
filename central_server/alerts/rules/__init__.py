"""What can be wrong with a site, one rule a file. A rule is pure: a situation and a moment in, findings out."""

from collections.abc import Iterable
from typing import ClassVar, Protocol

from central_server.alerts.findings import Finding, Moment, Situation
from shared.registry import Registry


class Rule(Protocol):
    """Finds one kind of cause.

    `resolves_itself`: its alerts end by themselves once it no longer finds them and the site was heard since.
    """

    resolves_itself: ClassVar[bool]

    def find(self, situation: Situation, moment: Moment) -> Iterable[Finding]:
        """Every cause that this rule sees now."""
        ...


rules: Registry[type[Rule]] = Registry("alert rule")
