"""Which labels of a mask lie beyond their fences: thresholds for each label, for each view, or for the mean of labels.

A mean over labels hides one: with three labels, of which two come back unchanged, a lost third still leaves a mean pDC
of 0.67. Fences of each label's own judge it by what is usual for it; a thin ring comes back worse than a ball, and may.
The price is that each label may be flagged, so that more cases are, and good ones too (`benchmarks/mask_fences.py`). So
the mean decides unless it is asked otherwise, and the labels' own fences say where to look (`MaskFences`).

Source:
    QC autoencoder and refinement 2021, eq. 3-4. Differs: the paper has one network for each view, with fences of its
    own, and its published code looks at one label (the right ventricle); here one network may see several views, told
    apart by the plane of their slices, and every label is looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from hospital_agent.analysis.errors import ModelMismatch, TooFewCases
from hospital_agent.analysis.imaging.slices import Slices
from hospital_agent.analysis.quality.tukey import FEWEST, Fences, PseudoMeasures, Source, fences_by_group

Grouping = Literal["label", "view", "mean"]
MEAN = "mean"
DAMAGED = "The fences of the mask autoencoder are damaged."


@dataclass(frozen=True)
class CaseMeasures:
    """How well one mask agrees with its reconstruction.

    Args:
        mean: over the labels that are there.
        by_label: label 1..L -> its own; both None where neither mask nor reconstruction holds it.
        slices: of the image.
    """

    mean: PseudoMeasures
    by_label: Mapping[int, PseudoMeasures] = field(default_factory=dict)
    slices: Slices = field(default_factory=Slices)

    def groups(self, by: Grouping) -> dict[str, PseudoMeasures]:
        """Name of each group of fences that judges this case -> what is judged by them."""
        if by == "label":
            return {str(label): measures for label, measures in self.by_label.items()}
        return {self.slices.plane if by == "view" else MEAN: self.mean}


@dataclass(frozen=True)
class FenceSet:
    """Fences of each group. A group without fences, of which too few cases were seen, flags nothing.

    Args:
        by: what a group is: a label, a view (plane of slices; pDC and pHD are means over labels), or all together.
        groups: "1", "2", ...; "axial", ...; or "mean" -> its fences. At least one.
    """

    by: Grouping
    groups: Mapping[str, Fences]

    @classmethod
    def of_mean(cls, fences: Fences) -> Self:
        """One pair of fences for the mean over labels."""
        return cls("mean", {MEAN: fences})

    def beyond(self, found: CaseMeasures) -> dict[str, tuple[str, ...]]:
        """Group -> which of "pdc" and "phd_mm" lie beyond its fences; only groups where one does."""
        told = {}
        for group, measures in found.groups(self.by).items():
            fences = self.groups.get(group)
            if fences is not None and fences.flags(measures):
                sides = (("pdc", fences.flags_pdc(measures)), ("phd_mm", fences.flags_phd(measures)))
                told[group] = tuple(name for name, beyond in sides if beyond)
        return told

    def flags(self, found: CaseMeasures) -> bool:
        """Whether anything lies beyond its fences."""
        return bool(self.beyond(found))

    def unjudged(self, found: CaseMeasures) -> tuple[str, ...]:
        """The groups of this case that have no fences."""
        return tuple(group for group in found.groups(self.by) if group not in self.groups)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"by": self.by, "groups": {group: asdict(fences) for group, fences in self.groups.items()}}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """It again.

        Raises:
            ModelMismatch: it is damaged.
        """
        try:
            if told["by"] not in get_args(Grouping) or not told["groups"]:
                raise ValueError("No fences, or of nothing known.")
            groups = {
                group: Fences(
                    float(one["low_pdc"]), float(one["high_phd_mm"]), int(one["case_count"]), _source(one["source"])
                )
                for group, one in told["groups"].items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise ModelMismatch(DAMAGED) from problem
        return cls(told["by"], groups)


@dataclass(frozen=True)
class MaskFences:
    """What decides whether a mask is unusual, and what says which of its labels is.

    Args:
        deciding: for each label or view, or for all labels together.
        by_label: for each label; None where no label was seen often enough.
    """

    deciding: FenceSet
    by_label: FenceSet | None

    def labels_beyond(self, found: CaseMeasures) -> dict[str, tuple[str, ...]]:
        """Label -> which of its measures lie beyond its own fences."""
        return {} if self.by_label is None else self.by_label.beyond(found)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "deciding": self.deciding.to_json(),
            "by_label": None if self.by_label is None else self.by_label.to_json(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """It again.

        Raises:
            ModelMismatch: it is damaged.
        """
        try:
            deciding, by_label = told["deciding"], told["by_label"]
        except (KeyError, TypeError) as problem:
            raise ModelMismatch(DAMAGED) from problem
        return cls(FenceSet.from_json(deciding), None if by_label is None else FenceSet.from_json(by_label))


def mask_fences(cases: Sequence[CaseMeasures], by: Grouping, source: Source = "validation") -> MaskFences:
    """Fences that decide by label, view or mean, and those of the labels beside them.

    Raises:
        TooFewCases: none can decide: no group has four cases that can be judged.
    """
    deciding = fence_set(cases, by, source)
    try:
        return MaskFences(deciding, deciding if by == "label" else fence_set(cases, "label", source))
    except TooFewCases:
        return MaskFences(deciding, None)


def fence_set(cases: Iterable[CaseMeasures], by: Grouping, source: Source = "validation") -> FenceSet:
    """Fences for every group of which enough cases are seen.

    Args:
        source: what the cases are, which the fences remember.

    No fence of pHD lies nearer to the upper quartile than the diagonal of the largest pixel (`fences_of`).

    Raises:
        TooFewCases: no group has four cases that can be judged.
    """
    of: dict[str, list[PseudoMeasures]] = {}
    pixels = [0.0]
    for case in cases:
        pixels.append(case.slices.pixel_mm)
        for group, measures in case.groups(by).items():
            of.setdefault(group, []).append(measures)
    groups = fences_by_group(of, source, max(pixels))
    if not groups:
        raise TooFewCases(
            f"Fences need at least {FEWEST} cases of one group whose pDC and pHD are defined and not at their end, "
            f"and no group has as many (fences by {by})."
        )
    return FenceSet(by, groups)


def _source(told: object) -> Source:
    if told not in get_args(Source):
        raise ValueError("Fences are of validation cases or of the target set.")
    return "target" if told == "target" else "validation"
