"""What centre and sites say to each other while they compute a job together, whatever carries it.

A run is one job asked of the federation. The centre leads and knows nothing of what is computed: it asks every site
what it would sum next, has these vectors summed so that it sees the total alone (`shared.secure_sum`), shows everybody
the total, and asks again until the sites say that the job is finished.

    centre → site   Opening     the job, its options and the totals so far
    site → centre   Plan        what the site would sum next, or that the job is finished; or Refusal
    centre → site   SumStep     one message of the secure sum (Terms, AdvertList, ShareInbox, ...)
    site → centre   SumAnswer   the answer to it; or Refusal
    centre → site   Closing     all totals, and whose data are in them
    site → centre   Outcome     what the site made of them; or Refusal

The site keeps nothing between rounds that an Opening does not bring along, so a site that was restarted is back in the
run at the next round. Needs the `federation` extra.
"""
