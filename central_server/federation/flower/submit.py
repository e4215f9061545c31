"""Handing a stored run over to whoever leads it."""

from central_server.federation.flower.control import Control
from central_server.federation.flower.settings import load_superlink_settings
from central_server.settings import Settings


def submit(settings: Settings, run: str) -> None:  # noqa: ARG001 - who leads it reads the same settings
    """Start the Flower run that leads the stored run of this id.

    Raises:
        SuperLinkAway: no SuperLink runs on this machine.
        SuperLinkRefused: it did not start the run.
        SettingsError: there are no certificates.
    """
    with Control(load_superlink_settings()) as control:
        control.tidy()
        control.start(run)
