"""What several sites compute together without showing each other a case.

jobs/    what is computed: short sequences of rounds in which vectors are only ever added
"""
