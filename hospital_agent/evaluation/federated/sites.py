"""Sites that a dataset is split into: which patients they have, and what their scanner does to every image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hospital_agent.analysis.errors import TooFewCases
from hospital_agent.evaluation.federated.images import Images
from hospital_agent.evaluation.rows import Condition
from hospital_agent.evaluation.tasks import Example
from hospital_agent.training.refinement_tiles import Item, on_working_grid

AS_IT_IS = Condition()
HELD_OUT = 5  # every fifth patient of a site, at least one, judges the weights


@dataclass(frozen=True)
class SitePlan:
    """One site.

    Args:
        name: for tables.
        share: of the training patients, in parts.
        scanner: the shift under which all its images are, training and test.
    """

    name: str
    share: int
    scanner: Condition = AS_IT_IS


SITES = (
    SitePlan("large", 8),
    SitePlan("noisy", 4, Condition("contrast_and_noise", 2)),
    SitePlan("uneven", 2, Condition("bias_field", 3)),
    SitePlan("small and blurred", 1, Condition("blur_and_low_resolution", 2)),
)


@dataclass(frozen=True)
class SiteData:
    """A site's images as its scanner makes them, on the working grid.

    Args:
        train, held_out: items to learn from, and to judge weights on.
        patients: distinct patients that are learnt from.
    """

    name: str
    train: Sequence[Item]
    held_out: Sequence[Item]
    patients: int


def sites_of(images: Images, train: Sequence[Example], plans: Sequence[SitePlan], seed: int) -> list[SiteData]:
    """Training patients shared out among the sites, drawn by the seed; no patient is at two.

    Raises:
        TooFewCases: a site would have fewer than two patients.
    """
    patients = sorted({example.patient for example in train})
    drawn = [patients[place] for place in np.random.default_rng([seed, 11]).permutation(len(patients))]
    ends = np.round(np.cumsum([plan.share for plan in plans]) / sum(plan.share for plan in plans) * len(drawn))
    found, start = [], 0
    for plan, end in zip(plans, ends.astype(int), strict=True):
        own, start = drawn[start:end], int(end)
        if len(own) < 2:
            raise TooFewCases(f"Site '{plan.name}' would have {len(own)} patients; it needs two.")
        kept = set(own[: max(1, len(own) // HELD_OUT)])
        items = {example: _item(images, example, plan.scanner, seed) for example in train if example.patient in own}
        found.append(
            SiteData(
                plan.name,
                [item for example, item in items.items() if example.patient not in kept],
                [item for example, item in items.items() if example.patient in kept],
                len(own) - len(kept),
            )
        )
    return found


def _item(images: Images, example: Example, scanner: Condition, seed: int) -> Item:
    subject = images.under(example, scanner, seed)
    return on_working_grid(subject.volume, subject.labels, images.grid, len(images.label_names) + 1, subject.ignore)
