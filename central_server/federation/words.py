"""Why a site is missing from a sum, in words. The slugs come from the sites and from whoever leads the run."""

_WORDS = {
    "silent": "did not answer in time",
    "no_key": "has no federation key at the centre",
    "broken_answer": "sent an answer that could not be used",
    "plans_differ": "would sum something else: another version or model",
    "not_allowed": "its own policy does not allow this",
    "unknown_name": "does not know this job",
    "bad_options": "refused the job's options",
    "too_few_patients": "has too few patients",
    "too_few_cases": "has too few cases",
    "not_finite": "its data hold values that are no numbers",
    "wrong_shape": "its data have another shape than the job's",
    "out_of_bounds": "its values lie beyond what the job allows",
    "over_limit": "its values lie beyond what the job allows",
    "over_norm": "its values lie beyond what the job allows",
    "cohort_changed": "has other data than in the first round",
    "cohort_too_close": "with an earlier sum, this one could have given a site away",
    "cohort_too_small": "fewer than three sites would have taken part",
    "not_converged": "the job used up its rounds",
    "not_open": "was restarted during the sum",
    "site_not_pinned": "has not pinned the key of another site",
    "bad_signature": "another site is not signed by the key that it pinned",
    "terms_differ": "was asked to sum something else than it would",
    "cohorts_differ": "saw that the sites were told different things",
    "internal": "failed; its own log says why",
}


def in_words(reason: str) -> str:
    """The slug as words for people; one that nobody has put into words is read as it is.

    Example:
        >>> in_words("silent")
        'did not answer in time'
        >>> in_words("out_of_paper")
        'out of paper'
    """
    return _WORDS.get(reason, reason.replace("_", " "))
