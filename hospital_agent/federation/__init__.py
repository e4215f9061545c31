"""What several sites compute together without showing each other a case.

jobs/    what is computed: short sequences of rounds in which vectors are only ever added
secure_sum.py    how it is added: a site's side of the sum that hides the single vectors
site.py  site_jobs/      a site that is asked, and which of its data a job is over
policy.py  egress.py  memory_on_disk.py  site_key.py    what it allows, writes down, never forgets, is known by
looked_at.py  judged.py  steady.py    its data: what the model shows of its images, good masks, who is given again
proposals.py  compare.py  versions.py  refitted.py  in_use.py    what came of runs, put to use by people alone
"""

from importlib.util import find_spec

FOLDER = "federation"  # in the agent's data folder: key, pins, cached rows, proposals, what is in use
EXTRA = ("flwr", "cryptography", "Crypto")  # what the extra `federation` installs


def extra_is_there() -> bool:
    """Whether this installation can take part in federated work."""
    return all(find_spec(name) is not None for name in EXTRA)
