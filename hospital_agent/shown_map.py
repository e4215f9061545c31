"""The map of distances from training, for people: from a case's tiles to its volume's own grid."""

from collections.abc import Callable

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.tiles import on_source_grid
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.toolkit import Toolkit


def distance_map(toolkit: Toolkit) -> Callable[[Segmentation], FloatArray]:
    """How a segmentation becomes its map: (Z, Y, X) float32 squared distances on the source grid, 0 outside tiles.

    Asked before the segmentation, so that a model without the score is refused before minutes of work.

    Raises:
        NotApplicable: the model has no fitted `mahalanobis`; from the function: the segmentation has no features.
    """
    score = toolkit.ood.get("mahalanobis")
    if not isinstance(score, Mahalanobis):
        raise NotApplicable("This model has no fitted 'mahalanobis', so there is no map of distances from training.")

    def show(segmentation: Segmentation) -> FloatArray:
        shown = score.map(segmentation)
        if shown is None:
            raise NotApplicable("This segmentation has no features, so there is no map of distances from training.")
        z, y, x = segmentation.mask.shape
        return on_source_grid(shown, (z, y, x))

    return show
