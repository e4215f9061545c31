"""What the quality models of the 2021 paper, and their heir, have in common: everything but the part that learns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.analysis.quality import QualityPrediction, Scores
from hospital_agent.analysis.quality.answers import EMPTY_MASK, NO_INPUTS, undefined
from hospital_agent.analysis.quality.estimator import Estimator
from hospital_agent.analysis.quality.inputs import QualityInput
from hospital_agent.analysis.quality.view import QualityView
from shared.report import FlagQuality


@dataclass(frozen=True, eq=False)
class ViewedQualityModel:
    """A quality model with one view for what the network tells, and one for a mask of which nothing else is known.

    A kind of model is a subclass that names itself and its estimator. Predicting needs numpy alone: no pickle that
    could run code, and no scikit-learn that could change its mind.

    Args:
        version: of the fitted model.
        views: the richest first; each knows which inputs it needs.
    """

    kind: ClassVar[str]
    estimator: ClassVar[type[Estimator]]

    version: str
    views: tuple[QualityView, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all values that any view looks at."""
        items: dict[QualityInput, None] = {}
        for view in self.views:
            items.update(dict.fromkeys(view.encoding.inputs))
        return tuple(item.name for item in items)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One a view."""
        return tuple(view.threshold for view in self.views)

    def flag_quality(self, *, mask_only: bool) -> FlagQuality:
        """What the flag is worth where this model's network segments, or where another product's masks are scored."""
        return self.views[-1 if mask_only else 0].flag_quality

    def view_for(self, scores: Scores) -> QualityView | None:
        """The richest view that these values can serve, or None."""
        return next((view for view in self.views if view.serves(scores)), None)

    def predict(self, scores: Scores, *, empty: bool) -> QualityPrediction:
        """Predict from named values; `empty` says that the mask has no voxel.

        An empty mask is never flagged here: most patients of an ordinary stream have no lesion, so it is watched as
        a rate against the site baseline.
        """
        view = None if empty else self.view_for(scores)
        if view is None:
            return undefined(EMPTY_MASK if empty else NO_INPUTS)
        return view.predict(scores)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values: what `quality.json` of a model folder holds."""
        return {
            "kind": self.kind,
            "version": self.version,
            "views": [view.to_json() for view in self.views],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The fitted model again.

        Raises:
            ModelMismatch: the JSON is not of such a model.
        """
        try:
            if data["kind"] != cls.kind or not data["views"]:
                raise ValueError("Another kind of model, or none.")
            views = tuple(QualityView.from_json(view, cls.estimator) for view in data["views"])
            return cls(str(data["version"]), views)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as problem:
            raise ModelMismatch("The quality model of this folder is damaged.") from problem
