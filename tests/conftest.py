"""For every test: small arrays gain nothing from several threads, and waiting threads cost much on a busy machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
