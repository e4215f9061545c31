"""Flower's SuperLink as a child of ours: `python -m central_server.federation.flower.flower_superlink PARENT ...`.

Ends when its parent has died, however that died; what follows the parent's id are the arguments of `flower-superlink`.
"""

import sys

from flwr.server.app import run_superlink
from flwr.supercore.app_utils import start_parent_process_monitor

if __name__ == "__main__":
    start_parent_process_monitor(int(sys.argv.pop(1)))
    run_superlink()
