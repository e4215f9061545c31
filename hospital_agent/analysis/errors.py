"""What can go wrong in the science.

MonitoringError
└── AnalysisError
    ├── GeometryMismatch     two arrays that should share a grid do not
    ├── InvalidVolume        an array that cannot be a volume: not 3-D, not finite, empty, impossible spacing
    ├── NotFittedError       `score` before `fit`
    ├── FeatureShapeError    features of another dimension than the fitted ones
    ├── TooFewCases          a fit was asked for with too few cases
    ├── BackendUnavailable   an optional backend is not installed, or lacks its local weights
    ├── NoDropout            several passes with dropout were asked of a network that has none
    ├── NoGradient           a gradient was asked of a network that gives none
    ├── MissingLayer         a layer was asked for that the network does not have, or its summary was not kept
    ├── NotApplicable        a method cannot run on this task; the sentence says why
    │   ├── UnknownLabel     a mask holds a label that the model does not know; the sentence names its number
    │   ├── NoAutoencoder    what a model's activation autoencoder shows was asked of a model without one
    │   └── NotReconstructed no case was compared with a mask autoencoder's reconstruction
    ├── TileMismatch         an autoencoder was made for another tile; the sentence says for which
    ├── RefinementRefused    a model is not refined, or its refined version not proposed; the sentence says why
    │   ├── NoAnnotatedCase      the supervised part has nothing to stand on
    │   ├── NothingFlagged       every mask agrees with its reconstruction: there is nothing to refine
    │   ├── EverythingFlagged    every mask disagrees: fences that flag all say nothing about one
    │   ├── NotCompared          too few annotated patients can be compared before and after
    │   └── WorseAfterwards      the refined model is worse where the model was good
    ├── RunsCode             loading a model would run code that came with it, and nobody has allowed that
    └── ModelMismatch        a model folder is damaged, or its parts do not belong together
"""

from shared.errors import MonitoringError


class AnalysisError(MonitoringError):
    """Base of all errors of the science."""


class GeometryMismatch(AnalysisError, ValueError):
    """Two arrays that should lie on one grid do not."""


class InvalidVolume(AnalysisError, ValueError):
    """An array that cannot be a volume."""


class NotFittedError(AnalysisError, RuntimeError):
    """A score was asked for before its reference was fitted."""


class FeatureShapeError(AnalysisError, ValueError):
    """Features have another dimension than those the reference was fitted on."""


class TooFewCases(AnalysisError, ValueError):
    """A fit was asked for with fewer cases than it can stand on."""


class ModelMismatch(AnalysisError, ValueError):
    """A model folder is damaged, or its parts do not belong together."""


class BackendUnavailable(AnalysisError, RuntimeError):
    """An optional backend was asked for that is not installed, or whose local weights are not configured."""


class NoDropout(AnalysisError, RuntimeError):
    """Several passes with dropout were asked of a network that has none: they would all be the same."""


class NoGradient(AnalysisError, RuntimeError):
    """A gradient with respect to the input was asked of a network that gives none."""


class MissingLayer(AnalysisError, LookupError):
    """A layer that the network does not have, or whose summary the segmentation does not hold."""


class NotApplicable(AnalysisError, RuntimeError):
    """A method cannot run on this task or this model; the sentence says why."""


class UnknownLabel(NotApplicable):
    """A mask holds a label that the model does not know."""


class NoAutoencoder(NotApplicable, TooFewCases):
    """A score looks at what an activation autoencoder changes, and no case was segmented with one."""


class NotReconstructed(NotApplicable, TooFewCases):
    """A score compares masks with a mask autoencoder's reconstruction, and no case has one."""


class TileMismatch(AnalysisError, ValueError):
    """An activation autoencoder was made for tiles or a bottleneck of another size; the sentence says for which."""


class RefinementRefused(AnalysisError, RuntimeError):
    """A model is not refined, or its refined version is not proposed."""


class NoAnnotatedCase(RefinementRefused):
    """Refinement holds on to what people annotated, and there is no such case."""


class NothingFlagged(RefinementRefused):
    """No case is flagged: there is nothing to refine."""


class EverythingFlagged(RefinementRefused):
    """Every case is flagged: the fences mean nothing here."""


class NotCompared(RefinementRefused):
    """Nobody can say whether the refined model is worse: too few annotated patients can be compared."""


class WorseAfterwards(RefinementRefused):
    """The refined model is worse than the model on cases that were good before."""


class RunsCode(AnalysisError):
    """Loading a model would run code that came with it, and nobody has allowed that."""
