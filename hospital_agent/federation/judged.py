"""A site's judged cases, for jobs about the quality model: how good a mask was, and what was predicted of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from hospital_agent.analysis.metrics.detection import sensitivity, specificity
from hospital_agent.analysis.quality import FAILED_BELOW_DICE
from hospital_agent.federation.asked import NoData
from hospital_agent.federation.looked_at import LookedAt, look_at_images
from hospital_agent.federation.model_hash import hash_of
from hospital_agent.settings import Settings
from hospital_agent.store.database import FILE_NAME, Store
from hospital_agent.store.tables import CaseRow, ReviewRow
from shared.report import FlagQuality

PROBABILITY = "failure_probability"
FEWEST_PATIENTS = 2  # with failed masks, and with good ones, before a flag is measured


@dataclass(frozen=True)
class GoodMask:
    """A mask that was good, by its Dice or by a reader's word, and the predicted probability that it is not.

    Args:
        patient: pseudonym.
    """

    patient: str = field(repr=False)
    probability: float = field(repr=False)


def cases_with_dice(settings: Settings, model: Path) -> list[LookedAt]:
    """Images of the site with a reference and a mask that is not empty.

    Raises:
        NoData: there is none.
    """
    cases = [case for case in look_at_images(settings, model) if case.dice is not None and not case.empty]
    if not cases:
        raise NoData("This site has no image with a reference mask for federated work.")
    return cases


def good_masks(settings: Settings, model: Path) -> list[GoodMask]:
    """From images with a reference mask, and from readers' verdicts on cases that were drawn at random.

    Verdicts count where the mask and its prediction came from this very model.
    """
    try:
        cases = cases_with_dice(settings, model)
    except NoData:
        cases = []
    found = [
        GoodMask(case.patient, probability)
        for case in cases
        if (case.dice or 0.0) >= FAILED_BELOW_DICE and (probability := case.values.get(PROBABILITY)) is not None
    ]
    return [*found, *_by_verdict(settings, hash_of(model))]


def measured_flag(cases: Sequence[LookedAt], flagged: Sequence[bool], words: str) -> FlagQuality | None:
    """What a flag is worth on judged cases; None without failed and good masks of two patients each.

    Args:
        cases: with a Dice.
        words: on what it was measured, at most 80 characters.
    """
    failed: NDArray[np.bool_] = np.array([(case.dice or 0.0) < FAILED_BELOW_DICE for case in cases], dtype=bool)
    patients = np.array([case.patient for case in cases])
    if any(len(set(patients[kind])) < FEWEST_PATIENTS for kind in (failed, ~failed)):
        return None
    found, spared = (measure(np.array(flagged, dtype=bool), failed) for measure in (sensitivity, specificity))
    if found is None or spared is None:
        return None
    return FlagQuality(sensitivity=found, specificity=spared, measured_on=words)


def _by_verdict(settings: Settings, model: str) -> list[GoodMask]:
    if not (settings.data_dir / FILE_NAME).is_file():
        return []
    store = Store(settings.data_dir)
    try:
        with store.read() as session:
            rows = session.scalars(
                select(CaseRow)
                .join(ReviewRow, ReviewRow.case == CaseRow.id)
                .where(ReviewRow.verdict == "good", CaseRow.model_hash == model)
                .order_by(CaseRow.id)
            )
            told = [(row.patient, (row.values or {}).get(PROBABILITY)) for row in rows]
    finally:
        store.close()
    return [GoodMask(patient, probability) for patient, probability in told if probability is not None]
