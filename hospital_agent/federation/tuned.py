"""A network that sites trained together, trained on with this site's own images before it is put to use here.

The average serves all sites, and one whose scanner is unlike the others' least. Some steps with its own images bring it
there (`hospital-agent evaluate --task federated` measures what that is worth). What comes out is this site's alone: it
is sent to nobody, and later runs begin at the model that all sites have.
"""

from pathlib import Path

from hospital_agent.federation.asked import NoData
from hospital_agent.federation.fitted_here import Say
from hospital_agent.federation.labelled import bundled, labelled_cases, load, trainer_of, weights_file
from hospital_agent.federation.network_training import TrainingOptions, own_seed
from hospital_agent.federation.proposals import Proposal
from hospital_agent.settings import Settings
from shared.errors import SettingsError

ROUNDS = 2  # of half of the steps each; the learning rate falls from one to the next
LEARNING_RATE = TrainingOptions().learning_rate / 3


class WorseHere(SettingsError):
    """The steps made the network worse on patients who did not teach it."""


def trained_on(settings: Settings, folder: Path, chosen: Proposal, steps: int, say: Say) -> bytes:
    """The weights after some steps more, as the file of a model folder.

    The patients of this site who taught the network teach it again; the others judge it, before and after.

    Args:
        folder: a model folder with the proposed network.
        steps: optimiser steps in all.

    Raises:
        NoData: nobody of this site has taught it, or nobody is left to judge.
        WorseHere: the Dice of the judges fell.
        NotApplicable: the model comes from elsewhere.
        TrainingDiverged: the loss is not finite.
    """
    from hospital_agent.training.local_training import LocalPlan

    loaded = load(folder, settings)
    segmenter, taught = bundled(loaded), chosen.own_patients()
    cases = labelled_cases(settings, loaded, segmenter.classes - 1, say)
    learnt = [case for case in cases if case.patient in taught]
    judges = [case for case in cases if case.patient not in taught]
    if not learnt or not judges:
        raise NoData("To train on, a site needs patients who taught the network and others who judge it.")
    plan = LocalPlan(ROUNDS, -(-steps // ROUNDS), LEARNING_RATE)
    trainer = trainer_of(segmenter, learnt, judges, plan, own_seed(f"{settings.site}/tuned"))
    weights = trainer.shared.read()
    before = trainer.dice_sum(weights) / len(judges)
    for number in range(1, ROUNDS + 1):
        weights = trainer.trained(weights, number)
    after = trainer.dice_sum(weights) / len(judges)
    say(
        f"trained on for {ROUNDS * plan.steps} steps: Dice of {len(judges)} held-out images {before:.3f} to {after:.3f}"
    )
    if after < before:
        raise WorseHere("Training on made the network worse on this site's held-out images: accept it as proposed.")
    trainer.shared.write(weights)
    return weights_file(segmenter)
