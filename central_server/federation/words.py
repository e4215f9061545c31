"""Why a site is missing from a sum, in words. The slugs come from the sites and from whoever leads the run."""

_WORDS = {
    "silent": "did not answer in time",
    "no_key": "has no federation key at the centre",
    "broken_answer": "sent an answer that could not be used",
    "plans_differ": "would sum something else: another version or model",
    # The site's own decision, or what it lacks.
    "not_allowed": "its own policy does not allow this",
    "unknown_name": "does not know this job",
    "refused": "refused",
    "option_refused": "refused an option of the job",
    "other_model": "uses another model",
    "no_data": "has no data for this",
    "no_privacy_rule": "has set no k, and gives nothing",
    "settings_error": "is not set up for this; its own log says why",
    "too_few_patients": "has too few patients",
    "not_converged": "the job used up its rounds",
    "not_applicable": "its model cannot do this",
    "internal": "failed; its own log says why",
    # Its own numbers.
    "not_finite": "its data hold values that are no numbers",
    "wrong_shape": "its data have another shape than the job's",
    "contribution_mismatch": "its data have another shape than the job's",
    "contribution_refused": "its values lie beyond what the job allows",
    "out_of_bounds": "its values lie beyond what the job allows",
    "over_limit": "its values lie beyond what the job allows",
    "over_norm": "its values lie beyond what the job allows",
    "no_headroom": "the numbers leave no room for a sum over so many sites",
    "cohort_changed": "has other data than in the first round",
    # What the site did not accept of the sum.
    "cohort_too_close": "with an earlier sum, this one could have given a site away",
    "cohort_too_small": "fewer sites than it wants would have taken part",
    "threshold_too_low": "the threshold would have let the server unmask a site",
    "site_not_pinned": "has not pinned the key of another site",
    "bad_signature": "another site is not signed by the key that it pinned",
    "keys_repeated": "saw one key at two sites",
    "terms_differ": "was asked to sum something else than it would",
    "cohorts_differ": "saw that the sites were told different things",
    "server_not_trusted": "does not trust what the server showed",
    "session_replayed": "saw a sum begin twice",
    "tampered_share": "got a share that was changed on its way",
    "left_out": "was left out of a list although it had answered",
    "both_shares_asked": "was asked for what would open another site's data",
    # Out of step.
    "not_open": "was restarted during the sum",
    "wrong_step": "was asked out of order",
    "unexpected_message": "was asked out of order",
    "malformed_message": "could not read what it was sent",
    "broken_message": "could not read what it was sent",
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
