"""The statistics that agent and server must agree on: pure functions and small classes on numpy arrays.

    ranks.py               where a value stands among all earlier ones
    betting.py             what a bet against "nothing has changed" pays
    shiryaev_roberts.py    evidence that adds up over unknown starts, and pages
    detectors.py           RankDetector, RateDetector: one stream, one value or count at a time
    intervals.py           Clopper-Pearson, quantiles of a histogram, probability of superiority
    null_bands.py          Jensen-Shannon, Wasserstein and PSI, and what they are by chance alone
    confidence_sequences.py  a mean in [0, 1] with an interval that holds at every sample size
    ppi.py                 the prediction-powered failure rate

No file, no clock, no hidden random generator. A result that cannot be given is None, never NaN and never 0.
"""
