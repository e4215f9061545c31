"""The messages of a federated run: frozen, small, and bytes on the wire.

On the wire a message is its kind and its bytes: one line of JSON, a line feed, and as it is what would grow by a third
in base64. Totals are float64, little-endian, one after the other; messages of the secure sum as they make themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, ValidationError

from shared.federation.errors import BrokenMessage
from shared.report import Name, SiteName
from shared.secure_sum.encoding import Part
from shared.secure_sum.messages import QuantityName

Total = NDArray[np.float64]
Option = StrictBool | StrictInt | FiniteFloat | Annotated[str, Field(max_length=200)]
Options = Mapping[Name, Option]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
StepName = Literal["terms", "adverts", "inbox", "survivors", "unmask"]
STEPS: tuple[StepName, ...] = ("terms", "adverts", "inbox", "survivors", "unmask")
_WIRE = np.dtype("<f8")


@dataclass(frozen=True)
class Packet:
    """What travels. A transport needs to know nothing else of it."""

    kind: str
    body: bytes


class FederationMessage(BaseModel):
    """Base of the messages.

    Args:
        run: the run's id, 32 hexadecimal digits that the centre drew.
        raw: bytes beside the JSON; only kinds that say so have any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
    kind: ClassVar[str]
    has_raw: ClassVar[bool] = False

    version: Literal[1] = 1
    run: RunId
    raw: bytes = Field(default=b"", exclude=True, repr=False)

    def packet(self) -> Packet:
        """The message as it travels."""
        return Packet(self.kind, self.model_dump_json().encode() + b"\n" + self.raw)

    @classmethod
    def of(cls, packet: Packet) -> Self:
        """The message in a packet.

        Raises:
            BrokenMessage: it holds none of this kind; the error echoes nothing of it.
        """
        head, _, raw = packet.body.partition(b"\n")
        if packet.kind != cls.kind or (raw and not cls.has_raw):
            raise BrokenMessage(f"A message of kind '{cls.kind}' was expected.")
        try:
            message = cls.model_validate_json(head)
        except ValidationError as error:
            kinds = ", ".join(sorted({one["type"] for one in error.errors()}))
            raise BrokenMessage(f"These bytes are no message of kind '{cls.kind}' ({kinds}).") from None
        return message.model_copy(update={"raw": raw})._checked()

    def _checked(self) -> Self:
        """Whether the raw bytes are what the JSON says; raises BrokenMessage."""
        return self


class _OfAJob(FederationMessage):
    """Names the job and brings the totals so far; make it with `made`."""

    has_raw: ClassVar[bool] = True

    job: Name
    options: Options
    lengths: tuple[Annotated[int, Field(ge=1)], ...]

    @classmethod
    def made(cls, run: str, job: str, options: Options, totals: Sequence[Total], **more: Any) -> Self:
        """With these totals."""
        raw = b"".join(np.ascontiguousarray(total, dtype=_WIRE).tobytes() for total in totals)
        return cls(run=run, job=job, options=options, lengths=tuple(map(len, totals)), raw=raw, **more)

    @property
    def totals(self) -> tuple[Total, ...]:
        """The totals of the rounds so far."""
        places = [0, *accumulate(self.lengths)]
        numbers = np.frombuffer(self.raw, dtype=_WIRE).astype(np.float64)
        return tuple(numbers[start:end] for start, end in pairwise(places))

    def _checked(self) -> Self:
        if len(self.raw) != _WIRE.itemsize * sum(self.lengths):
            raise BrokenMessage("The totals of a federated run are not as long as the message says.")
        return self


class Opening(_OfAJob):
    """Centre to site, at every round: what would you sum next? `lengths` says how long the totals in `raw` are."""

    kind: ClassVar[str] = "opening"


class Closing(_OfAJob):
    """Centre to site, at the end: everything there is.

    Args:
        contributors: the sites whose data are in the totals.
    """

    kind: ClassVar[str] = "closing"

    contributors: tuple[SiteName, ...]


class SumStep(FederationMessage):
    """Centre to site: one message of the secure sum, in `raw`."""

    kind: ClassVar[str] = "sum_step"
    has_raw: ClassVar[bool] = True

    step: StepName


class FromSite(FederationMessage):
    """Base of what a site answers; it says who it is."""

    site: SiteName


class Plan(FromSite):
    """What the site would sum next.

    Args:
        finished: the totals suffice.
        quantity: what the sums of this job are of; cohorts are compared within one quantity, over all rounds and runs.
        parts: of the next vector; none where the job is finished.
    """

    kind: ClassVar[str] = "plan"

    finished: bool
    quantity: QuantityName
    parts: tuple[Part, ...]


class SumAnswer(FromSite):
    """The site's message of the secure sum, in `raw`."""

    kind: ClassVar[str] = "sum_answer"
    has_raw: ClassVar[bool] = True

    step: StepName


class Outcome(FromSite):
    """What a site made of the totals.

    Args:
        told: by name; follows from the totals alone and is therefore the same at every site up to rounding.
    """

    kind: ClassVar[str] = "outcome"

    told: Mapping[Name, Option]


class Refusal(FromSite):
    """The site does not take part, or not further.

    Args:
        reason: a slug that may be counted.
        sentence: for people; holds no value of the site's data.
    """

    kind: ClassVar[str] = "refusal"

    reason: Slug
    sentence: Annotated[str, Field(max_length=400)]
