"""What an evaluation knows of one segmented image, and of one method. Plain values, so that they can be cached."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Split = Literal["train", "validation", "test"]
UNSHIFTED = "none"


@dataclass(frozen=True)
class Condition:
    """What was done to an image before it was segmented.

    Args:
        family: shift family ("bias_field", "ghosting_and_motion", ...; a site for tasks whose shifts are sites),
            "none" for the image as it is.
        strength: 0 for the image as it is, else 1 (mild) to 3 (severe); 1 where a family has no grades.
    """

    family: str = UNSHIFTED
    strength: int = 0


@dataclass(frozen=True)
class Scored:
    """One image under one condition, segmented by the network of one seed.

    Args:
        split: train images are only looked at for references; validation chooses thresholds and trains what learns
            from shifts; test is what tables are made of.
        patient: whom it shows; never in two splits of one seed.
        case: the image, e.g. "patient001_frame12".
        dice: mean over the task's labels; a label that is empty in mask and reference is left out, one that is empty
            in exactly one counts 0; None where no label is left.
        label_dice: label -> Dice.
        hd95_mm, assd_mm: means over labels; None where a label has no surface on one side.
        ece, mce: calibration of the probabilities near the reference's boundary; None without probabilities.
        values: method -> score (higher is worse), None where undefined for this case.
        seconds: method -> seconds for this case beside the segmentation's own pass.
        failures: method -> why it has no value here, a sentence; a value that is merely undefined has none.
        measured: registered unit -> its version, of everything that was asked of this image so far.
    """

    task: str
    seed: int
    split: Split
    patient: str
    case: str
    condition: Condition
    dice: float | None
    label_dice: Mapping[str, float | None]
    hd95_mm: float | None
    assd_mm: float | None
    ece: float | None
    mce: float | None
    values: Mapping[str, float | None]
    seconds: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The row again."""
        return cls(**{**told, "condition": Condition(**told["condition"])})


@dataclass(frozen=True)
class Method:
    """A row of the tables.

    Args:
        name: as in `Scored.values`.
        passes: forward passes a case beside nothing; 1 comes with the segmentation.
        beside: what else runs for a case and is no whole pass, e.g. "decoder"; "" for nothing.
        supervised: whether it learned from reference masks or from shifts.
        trivial: "shift strength" and "volume": what a method must beat to say anything.
        source: the paper it is from, e.g. "González 2021"; "" for ours.
        not_applicable: why it cannot run on this task, a sentence; None where it can.
    """

    name: str
    passes: int = 1
    beside: str = ""
    supervised: bool = False
    trivial: bool = False
    source: str = ""
    not_applicable: str | None = None

    @property
    def price(self) -> str:
        """For a person: its passes and what else runs."""
        return f"{self.passes} + {self.beside}" if self.beside else str(self.passes)
