"""Where real data lies."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real images; the test is skipped where there is none."""
    folder = os.environ.get("SEGWATCH_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SEGWATCH_DATA names no folder of real images.")
    return Path(folder)
