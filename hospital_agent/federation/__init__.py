"""What several sites compute together without showing each other a case.

jobs/    what is computed: short sequences of rounds in which vectors are only ever added
secure_sum.py    how it is added: a site's side of the sum that hides the single vectors
site.py  site_jobs/      a site that is asked, and which of its data a job is over
policy.py  egress.py  memory_on_disk.py  site_key.py    what it allows, writes down, never forgets, is known by
"""

FOLDER = "federation"  # in the agent's data folder: key, pins, cached rows, proposals, what is in use
