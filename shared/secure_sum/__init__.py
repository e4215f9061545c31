"""A sum over sites of which the server sees the total and nothing else.

Every pair of sites agrees on a mask that one adds and the other subtracts, so that all pair masks cancel in the total;
each site adds a mask of its own as well. Should a site drop out, the others hand in shares of its pair secret; for a
site that stayed they hand in shares of its own mask. Never both for one site: with both its vector would lie open.

One session, five steps. The sites dial out; the server routes, and what it may not read is encrypted or masked.

    Terms         server → all    what is summed, of whom, on which scale, with how many sites at least
 1  KeyAdvert     site → server   two fresh public keys, signed with the site key that the others have pinned
    AdvertList    server → all
 2  ShareBundle   site → server   shares of both secrets, each encrypted for one other site
    ShareInbox    server → one
 3  MaskedVector  site → server   the vector in fixed point plus all masks
    SurvivorList  server → all    whose vectors arrived
 4  Consent       site → server   a signature over exactly these survivors, keys and terms; once a session
    UnmaskRequest server → all    the consents of at least `threshold` sites
 5  Reveal        site → server   own-mask shares of survivors, pair-secret shares of the dropped

Source:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS 2017, figure 4, the
    variant for an active adversary (the underlined parts). What differs: consents also bind the keys and the terms,
    not the survivors alone; a commitment to the own mask lets the server notice wrong shares; the invited cohort is
    fixed in advance; cohorts that would give single sites away by subtraction are refused (`cohorts`).

Needs the `federation` extra (cryptography, pycryptodome). Nothing else in `shared` imports this package.
"""
