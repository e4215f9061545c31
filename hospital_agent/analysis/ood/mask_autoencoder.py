"""How little a mask looks like the masks that an autoencoder of masks was trained on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from hospital_agent.analysis.errors import NotReconstructed
from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.moments import feature_rows
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import named_if_damaged, rows_and_patients
from hospital_agent.analysis.segmentation.base import ABSENT, Segmentation
from hospital_agent.analysis.segmentation.reconstruction import FARTHEST_MM
from shared.quantities import Quantity

WITHOUT = (
    "No case was compared with what a mask autoencoder makes of it; train one on reference masks: "
    "hospital-agent fit --method mask_autoencoder --references FOLDER."
)


@dataclass(frozen=True, eq=False)
class _OfEachLabel(ABC):
    """What the two scores share: a number of each label, and its mean over the labels that are there.

    Args:
        label_count: labels of the task, background not counted. Nothing else remains to be fitted: the autoencoder
            itself was trained on reference masks.
    """

    label_count: int

    needs: ClassVar[str] = "mask_autoencoder"
    quantity: ClassVar[Quantity]
    wire_quantity: ClassVar[Quantity]

    @staticmethod
    @abstractmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, L) number of each label, `ABSENT` where neither mask holds it; None without a reconstruction."""

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The score for as many labels as the cases show.

        Raises:
            FeatureShapeError: cases with different numbers of labels, or not one patient a case.
            NotReconstructed: no case was compared with a reconstruction; the sentence says how to get one.
        """
        if not observations:
            raise NotReconstructed(WITHOUT)
        rows, _ = rows_and_patients(observations, patients)
        return cls(rows.shape[1])

    def by_label(self, segmentation: Segmentation) -> dict[int, float | None]:
        """Label -> its number, None where neither mask holds it; empty without a reconstruction.

        Raises:
            FeatureShapeError: another number of labels than the fitted one.
        """
        row = self.observe(segmentation)
        if row is None:
            return {}
        numbers = feature_rows(row, self.label_count)[0]
        return {label: None if number == ABSENT else float(number) for label, number in enumerate(numbers, start=1)}

    def compute(self, segmentation: Segmentation) -> float | None:
        """Mean over the labels that are there; None where there is none, and without a reconstruction."""
        there = [number for number in self.by_label(segmentation).values() if number is not None]
        return float(np.mean(there)) if there else None

    def state(self) -> State:
        """How many labels there are."""
        return {"labels": np.array([self.label_count], dtype=np.float64)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The score again.

        Raises:
            ModelMismatch: the state lacks the number of labels.
        """
        with named_if_damaged(cls.quantity.name):
            (count,) = state["labels"]
            if not (count >= 1 and float(count).is_integer()):
                raise ValueError("Not a number of labels.")
            return cls(int(count))


@ood_scores.register("mask_autoencoder_pdc")
@dataclass(frozen=True, eq=False)
class PseudoDice(_OfEachLabel):
    """1 - pseudo Dice (pDC): how much a mask changes when an autoencoder of reference masks reconstructs it.

    The autoencoder has seen plausible masks alone and gives back the nearest mask of that kind; an island or a hole is
    not given back, and the Dice between mask and reconstruction falls. In [0, 1], mean over the labels that mask or
    reconstruction holds; 0 is a mask that comes back unchanged. Higher is worse. Undefined where nothing is segmented
    and nothing reconstructed, and without an autoencoder. Made for anatomy: a diffuse lesion has no shape to know.

    Source:
        QC autoencoder and refinement 2021, sec. 2.1 and 2.3. Differs: 1 - pDC instead of pDC; mean over labels where
        the published code looks at the right ventricle alone; from the one-hot mask, on which the autoencoder was
        trained, where one of the two published programs feeds it the softmax.
    """

    quantity = raw_quantity("mask_autoencoder_pdc", "Change of the mask when reconstructed", (1e-3, 0.9), high=1.0)
    wire_quantity = log10_quantity("mask_autoencoder_pdc", "Change of the mask when reconstructed")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, L) 1 - Dice of each label with its reconstruction, `ABSENT` where neither has it; None without one."""
        found = segmentation.reconstructed
        return None if found is None else found.dice_gap[None].astype(np.float64)


@ood_scores.register("mask_autoencoder_phd")
@dataclass(frozen=True, eq=False)
class PseudoHausdorff(_OfEachLabel):
    """Pseudo Hausdorff distance (pHD) in mm: how far a mask's surface lies from that of its reconstruction at most.

    It hears a small island far away, of which the pseudo Dice hears almost nothing. In [0, 500] mm, mean over the
    labels that mask or reconstruction holds; a label that only one of them holds counts 500 mm. Higher is worse.
    Undefined where nothing is segmented and nothing reconstructed, and without an autoencoder.

    Source:
        QC autoencoder and refinement 2021, sec. 2.3: the plain Hausdorff distance, not its 95th percentile. Differs:
        in mm, where the published code counts voxels of any size; a declared maximum, where it writes infinity; mean
        over labels, where it looks at the right ventricle alone.
    """

    quantity = replace(
        raw_quantity("mask_autoencoder_phd", "Largest move of the mask's surface", (0.5, 300.0), high=FARTHEST_MM),
        unit="mm",
    )
    wire_quantity = log10_quantity("mask_autoencoder_phd", "Largest move of the mask's surface")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(1, L) Hausdorff distance of each label in mm, `ABSENT` where neither has it; None without one."""
        found = segmentation.reconstructed
        return None if found is None else found.hausdorff_mm[None].astype(np.float64)
