"""A file whose age tells whether the agent's loop still turns: what the health check of its container looks at.

A process that is alive may hang: on a network folder that went away, or in a library. So the worker touches the file
at each of its steps, and the check asks for its age instead of asking for the process.
"""

from pathlib import Path

FILE_NAME = "heartbeat"
FEDERATION_FILE = "federation_heartbeat"  # of `hospital-agent federate`, beside the agent on the same folder
LONGEST_SILENCE_S = 60.0  # of the SuperLink, which acknowledges a sign of life every 5 s
LONGEST_STEP_S = 900.0  # between two beats lies at most one analysis, which takes a minute on two cores


class Heartbeat:
    """Beats of one run of the agent; the last beat of an earlier run is forgotten.

    Args:
        data_dir: the agent's data folder.
        name: of the file; a second program on the same folder has its own.
    """

    def __init__(self, data_dir: Path, name: str = FILE_NAME) -> None:
        self._path = data_dir / name
        self._path.unlink(missing_ok=True)

    def __call__(self, point: str) -> None:  # noqa: ARG002 - a worker tells the name of the step; any step is a beat
        self._path.touch()


def age_s(data_dir: Path, now_s: float, name: str = FILE_NAME) -> float | None:
    """Seconds since the last beat; None where this run has not beaten yet.

    Args:
        now_s: Unix time, as file systems tell it.
    """
    try:
        return max(0.0, now_s - (data_dir / name).stat().st_mtime)
    except FileNotFoundError:
        return None
