"""What several sites compute together without showing each other a case.

jobs/    what is computed: short sequences of rounds in which vectors are only ever added
secure_sum.py    how it is added: a site's side of the sum that hides the single vectors
"""
