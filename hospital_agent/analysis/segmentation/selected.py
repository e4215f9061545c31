"""Several candidate networks, and for each image the one whose mask agrees best with its reconstruction."""

from collections.abc import Sequence
from dataclasses import replace

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.slices import Slices
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.ood.mask_autoencoder import PseudoDice, PseudoHausdorff
from hospital_agent.analysis.quality.candidates import Selection, blended, select
from hospital_agent.analysis.quality.label_fences import CaseMeasures
from hospital_agent.analysis.quality.tukey import Fences, PseudoMeasures
from hospital_agent.analysis.segmentation.base import Segmentation, Segmenter
from hospital_agent.analysis.segmentation.mask_autoencoder import MaskAutoencoder
from hospital_agent.analysis.segmentation.network import on_source_grid

NONE_USUAL = (
    "No candidate's mask agrees with its reconstruction as well as is usual (pHD): the answer is made of the best by "
    "pDC and the best by pHD."
)


class SelectedSegmenter:
    """The paper's candidate selection at inference: every candidate segments, and `select` says whom to believe.

    Costs as many passes as there are candidates, and a reconstruction of each mask.

    Args:
        candidates: networks for one task, the better ones in validation first; three in the paper.
        autoencoder: of its masks.
        fences: from when on a mask is unusual.

    Raises:
        NotApplicable: there is no candidate.

    Source:
        QC autoencoder and refinement 2021, sec. 2.3.
    """

    def __init__(self, candidates: Sequence[Segmenter], autoencoder: MaskAutoencoder, fences: Fences) -> None:
        if not candidates:
            raise NotApplicable("There is no candidate network to choose from.")
        self.candidates, self.autoencoder, self.fences = tuple(candidates), autoencoder, fences

    def segment(self, volume: Volume) -> Segmentation:
        """The chosen candidate's answer with its reconstruction; with a warning, the mean of two where none is usual.

        Raises:
            NotApplicable: two answers are to be averaged, and one has no softmax.
        """
        answers = [self.autoencoder.attached(one.segment(volume), volume.spacing_mm) for one in self.candidates]
        chosen = select([pseudo_measures(one, self.autoencoder.shape.label_count) for one in answers], self.fences)
        return replace(self._answer(chosen, answers, volume), passes=sum(one.passes for one in answers))

    def _answer(self, chosen: Selection, answers: Sequence[Segmentation], volume: Volume) -> Segmentation:
        first = answers[chosen.by_pdc]
        if not chosen.averaged:
            return first
        first = replace(first, warnings=(*first.warnings, NONE_USUAL))
        if chosen.by_phd == chosen.by_pdc:
            return first
        softmax = [one.class_probabilities for one in answers]
        known = [one for one in softmax if one is not None]
        if len(known) < len(softmax):
            raise NotApplicable("A candidate gives no softmax, and cannot be averaged with another one.")
        mean = blended(chosen, known)
        mask, labels = on_source_grid(mean, volume.shape)
        made = replace(first, mask=mask, labels=labels, probability=1.0 - mean[0], class_probabilities=mean)
        return self.autoencoder.attached(made, volume.spacing_mm)


def pseudo_measures(found: Segmentation, label_count: int) -> PseudoMeasures:
    """pDC and pHD of a segmentation with its reconstruction, means over the labels that are there."""
    gap, far = PseudoDice(label_count).compute(found), PseudoHausdorff(label_count).compute(found)
    return PseudoMeasures(None if gap is None else 1 - gap, far)


def case_measures(found: Segmentation, label_count: int, slices: Slices) -> CaseMeasures:
    """pDC and pHD of a segmentation with its reconstruction: the means, and each label's own.

    Args:
        slices: of the image; see `slices_of`.
    """
    gaps, far = PseudoDice(label_count).by_label(found), PseudoHausdorff(label_count).by_label(found)
    own = {label: PseudoMeasures(None if gap is None else 1 - gap, far[label]) for label, gap in gaps.items()}
    return CaseMeasures(pseudo_measures(found, label_count), own, slices)
