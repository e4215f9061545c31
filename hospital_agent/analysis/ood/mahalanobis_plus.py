"""Distance of a case's activations from training in every layer, on L2-normalised features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import FeatureShapeError, TooFewCases
from hospital_agent.analysis.ood import Observation, State, ood_scores
from hospital_agent.analysis.ood.knn import unit_rows
from hospital_agent.analysis.ood.quantities import log10_quantity, raw_quantity
from hospital_agent.analysis.ood.reference import GaussianReference, named_if_damaged
from hospital_agent.analysis.ood.tables import Entry, check_layers, entries_of, layer_widths, table_of
from hospital_agent.analysis.segmentation.base import Segmentation


@ood_scores.register("mahalanobis_plus")
@dataclass(frozen=True, eq=False)
class MahalanobisPlus:
    """Squared Mahalanobis distance of L2-normalised channel means, over its dimension, averaged over all layers.

    An unfamiliar image shows in different layers for different reasons: noise and intensity early, shapes late. The
    length of an activation varies much and says little, and makes a Gaussian a poor description of it; its direction
    is what is compared. A training-like case lies near 1 in every layer, whatever its number of channels, so that no
    layer drowns another. Higher means more unusual; >= 0.

    Args:
        references: number of the layer -> Gaussian over the normalised channel means of training cases.

    Source:
        Mueller and Hein, "Mahalanobis++", ICML 2025 (normalise first); Çallı et al., "FRODO", 2022 (each distance
        divided by its number of features, averaged over layers). Differs: one Gaussian a layer and no classes; OAS
        shrinkage checked by leaving out patients.
    """

    references: Mapping[int, GaussianReference]

    quantity = raw_quantity("mahalanobis_plus", "Distance from training over all layers", (0.1, 1e6))
    wire_quantity = log10_quantity("mahalanobis_plus", "Distance from training over all layers")

    @staticmethod
    def observe(segmentation: Segmentation) -> Observation | None:
        """(L, 3 + longest) table (`tables`) with the channel means of each layer; None without layers."""
        layers = segmentation.layers.values()
        entries = [Entry(0, number, layer.mean.astype(np.float64)) for number, layer in enumerate(layers)]
        return table_of(entries) if entries else None

    @classmethod
    def fit_cases(cls, observations: Sequence[Observation], patients: Sequence[str]) -> Self:
        """The reference made from the layers of training cases.

        Raises:
            FeatureShapeError: cases with different layers, or not one patient a case.
            TooFewCases: fewer than two different cases.
        """
        if len(patients) != len(observations):
            raise FeatureShapeError(f"{len(observations)} cases need as many patients, not {len(patients)}.")
        if not observations:
            raise TooFewCases("A reference needs features of training cases, and there are none.")
        cases = [entries_of(table) for table in observations]
        widths = layer_widths(cases[0])
        for entries in cases:
            check_layers(entries, widths)
        by_layer = {
            layer: np.stack([next(one.values for one in entries if one.layer == layer) for entries in cases])
            for layer in widths
        }
        return cls({layer: GaussianReference.fit(unit_rows(rows), patients) for layer, rows in by_layer.items()})

    def compute(self, segmentation: Segmentation) -> float | None:
        """The mean over layers; None without layers."""
        table = self.observe(segmentation)
        if table is None:
            return None
        entries = entries_of(table)
        check_layers(entries, {layer: made.gaussian.dimension for layer, made in self.references.items()})
        distances = [self.references[one.layer].distances(unit_rows(one.values[None]))[0] for one in entries]
        return float(np.mean([far / one.values.size for far, one in zip(distances, entries, strict=True)]))

    def state(self) -> State:
        """Everything fitted, as arrays; names begin with the number of the layer."""
        return {
            f"{layer}.{key}": array for layer, made in self.references.items() for key, array in made.state().items()
        }

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The fitted score again.

        Raises:
            ModelMismatch: the state lacks an array or holds one of another shape.
        """
        with named_if_damaged("mahalanobis_plus"):
            layers: dict[int, dict[str, NDArray[Any]]] = {}
            for key, array in state.items():
                number, _, rest = key.partition(".")
                layers.setdefault(int(number), {})[rest] = array
            references = {layer: GaussianReference.from_state(layers[layer]) for layer in sorted(layers)}
            if not references:
                raise ValueError("No layer is left.")
            return cls(references)
