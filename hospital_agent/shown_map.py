"""Maps for people, on a volume's own grid: of distances from training, and of what familiar features would change."""

from collections.abc import Callable
from typing import Literal

from hospital_agent.analysis.errors import NotApplicable
from hospital_agent.analysis.imaging.volume import FloatArray
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.ood.segmentation_distortion import SegmentationDistortion
from hospital_agent.analysis.ood.tiles import on_source_grid
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.toolkit import Toolkit

Show = Callable[[Segmentation], FloatArray]
Map = Literal["distances", "distortion"]


def map_named(name: Map, toolkit: Toolkit) -> Show:
    """How a segmentation becomes the map of this name; see `distance_map` and `distortion_map`.

    Raises:
        NotApplicable: the model has not what the map shows.
    """
    return distance_map(toolkit) if name == "distances" else distortion_map(toolkit)


def distortion_map(toolkit: Toolkit) -> Show:
    """How a segmentation becomes its map: (Z, Y, X) float32 squared change, mean over classes, on the source grid.

    Its mean over the working grid is `segmentation_distortion`.

    Raises:
        NotApplicable: the model has no activation autoencoder; from the function: the segmentation was made without.
    """
    if not isinstance(toolkit.ood.get("segmentation_distortion"), SegmentationDistortion):
        raise NotApplicable(
            "This model has no activation autoencoder, so there is no map of distortion; "
            "train one with: hospital-agent fit --method segmentation_distortion."
        )

    def show(segmentation: Segmentation) -> FloatArray:
        if segmentation.distortion is None or segmentation.distortion.squares is None:
            raise NotApplicable("This segmentation was made without an autoencoder, so there is no map of distortion.")
        z, y, x = segmentation.mask.shape
        return on_source_grid(segmentation.distortion.squares.mean(axis=0), (z, y, x))

    return show


def distance_map(toolkit: Toolkit) -> Show:
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
