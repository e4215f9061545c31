"""For every test: small arrays gain nothing from several threads, and waiting threads cost much on a busy machine."""

import os
from collections.abc import Iterator

import pytest

from shared import logs

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A test may say where logs go and from which level on; the next one finds them as at the start."""
    sink, level, stream = logs._sink, logs._sink.level, logs._sink.stream
    yield
    sink.level, sink.stream = level, stream
