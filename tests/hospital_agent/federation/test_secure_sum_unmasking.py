"""A site against a server that lies about who is left, and asks for more than the total needs."""

import pytest

from shared.secure_sum.encoding import from_payload
from shared.secure_sum.errors import (
    BothSharesAsked,
    CohortsDiffer,
    CohortTooClose,
    CohortTooSmall,
    LeftOut,
    UnexpectedMessage,
    WrongStep,
)
from shared.secure_sum.keys import AgreementKey
from shared.secure_sum.masks import add_mask
from shared.secure_sum.messages import (
    UnmaskRequest,
)
from shared.secure_sum.sharing import combine
from tests.secure_sums import Session, Sites, sent, survivors_of, up_to, vectors_of


@pytest.fixture
def sites():
    return Sites(4)


# Survivors


def test_a_site_does_not_sign_itself_away(sites):
    session = up_to(3, sites)
    with pytest.raises(LeftOut):
        session.clients["s4"].consent(survivors_of(session, ["s1", "s2", "s3"]))


@pytest.mark.parametrize("names", [["s1", "s2", "s3", "s9"], ["s1", "s2", "s2", "s3"]])
def test_survivors_that_took_no_part_or_come_twice_are_refused(sites, names):
    session = up_to(3, sites)
    with pytest.raises(UnexpectedMessage):
        session.clients["s1"].consent(survivors_of(session, names))


def test_a_site_signs_one_list_a_session(sites):
    session = up_to(3, sites)
    session.clients["s1"].consent(survivors_of(session, ["s1", "s2", "s3"]))
    with pytest.raises(WrongStep):
        session.clients["s1"].consent(session.survivors)


def test_different_survivors_shown_to_different_sites_are_noticed(sites):
    session = up_to(3, sites)
    shown = dict.fromkeys(("s1", "s2", "s4"), session.survivors)
    shown["s3"] = survivors_of(session, ["s1", "s2", "s3"])
    consents = tuple(session.clients[name].consent(shown[name]) for name in sites.names)
    everybody = UnmaskRequest(session=session.terms.session, survivors=sites.names, dropped=(), consents=consents)
    with pytest.raises(CohortsDiffer, match="'s3' did not consent"):
        session.clients["s1"].reveal(everybody)
    three = UnmaskRequest(
        session=session.terms.session, survivors=("s1", "s2", "s3"), dropped=("s4",), consents=consents[:3]
    )
    with pytest.raises(CohortsDiffer, match="'s1' did not consent"):
        session.clients["s3"].reveal(three)


def test_different_sharers_shown_to_different_sites_are_noticed(sites):
    """s1 is told that s4 never shared its keys; the others mask with it. The survivors are the same for all."""
    session = up_to(2, sites)
    without = tuple(share for share in session.inboxes["s1"].shares if share.sender != "s4")
    session.inboxes["s1"] = session.inboxes["s1"].model_copy(update={"shares": without})
    for i, name in enumerate(sites.names):
        session.clients[name].mask(session.inboxes[name], vectors_of(i))
    three = survivors_of(session, ["s1", "s2", "s3"])
    consents = tuple(session.clients[name].consent(three) for name in ("s1", "s2", "s3"))
    request = UnmaskRequest(
        session=session.terms.session, survivors=("s1", "s2", "s3"), dropped=("s4",), consents=consents
    )
    with pytest.raises(CohortsDiffer, match="'s1' did not consent"):
        session.clients["s2"].reveal(request)


def test_a_site_that_is_said_to_have_dropped_keeps_its_vector(sites):
    """The server has the vector of s4 but names it dropped: it gets the pair secret of s4, and not its own mask."""
    session = up_to(3, sites)
    three = survivors_of(session, ["s1", "s2", "s3"])
    consents = tuple(session.clients[name].consent(three) for name in ("s1", "s2", "s3"))
    request = UnmaskRequest(
        session=session.terms.session, survivors=("s1", "s2", "s3"), dropped=("s4",), consents=consents
    )
    reveals = [session.clients[name].reveal(sent(request)) for name in ("s1", "s2", "s3")]
    assert not any(share.owner == "s4" for reveal in reveals for share in reveal.own_mask_shares)

    pair = AgreementKey.from_secret(
        combine({session.terms.share_index(reveal.site): reveal.pair_shares[0].share for reveal in reveals})
    )
    stripped = from_payload(session.masked["s4"].payload).copy()
    for advert in session.adverts.adverts[:3]:
        add_mask(stripped, pair.agree(advert.mask_key, "pair mask", session.terms.fingerprint), 1)
    seed = session.clients["s4"]._seed  # what the server lacks: with it, and only with it, the vector lies open
    assert stripped[0] >= 1000  # the count of s4 is below; a masked entry is not but once in 10^16
    add_mask(stripped, seed, -1)
    assert stripped[0] == vectors_of(3)["patient_count"][0]


# Unmasking


def test_both_shares_of_one_site_are_never_revealed(sites):
    session = up_to(4, sites)
    greedy = session.request.model_copy(update={"dropped": ("s2",)})
    with pytest.raises(BothSharesAsked):
        session.clients["s1"].reveal(greedy)
    with pytest.raises(WrongStep):
        session.clients["s1"].reveal(session.request)


def test_what_a_site_reveals_never_holds_both_shares_of_one_site(sites):
    session = up_to(4, sites, lost={3: ["s4"]})
    reveal = session.clients["s1"].reveal(session.request)
    own, pair = ({share.owner for share in shares} for shares in (reveal.own_mask_shares, reveal.pair_shares))
    assert (own, pair) == ({"s1", "s2", "s3"}, {"s4"})


def test_a_second_request_with_other_drop_outs_is_refused(sites):
    session = up_to(4, sites)
    first = session.clients["s1"].reveal(session.request)
    assert not first.pair_shares
    again = session.request.model_copy(update={"survivors": ("s1", "s2", "s3"), "dropped": ("s4",)})
    with pytest.raises(WrongStep):
        session.clients["s1"].reveal(again)


@pytest.mark.parametrize(
    "change",
    [
        {"survivors": ("s1", "s2", "s3"), "dropped": ("s4",)},
        {"survivors": ("s1", "s2", "s3")},
        {"dropped": ("s9",)},
    ],
)
def test_a_request_for_other_drop_outs_than_signed_is_refused(sites, change):
    session = up_to(4, sites)
    with pytest.raises(CohortsDiffer):
        session.clients["s1"].reveal(session.request.model_copy(update=change))


def test_too_few_consents_are_refused(sites):
    session = up_to(4, sites)
    with pytest.raises(CohortTooSmall):
        session.clients["s1"].reveal(session.request.model_copy(update={"consents": session.request.consents[:2]}))


def test_one_consent_counted_twice_is_refused(sites):
    session = up_to(4, sites)
    padded = (*session.request.consents[:2], session.request.consents[0])
    with pytest.raises(UnexpectedMessage):
        session.clients["s1"].reveal(session.request.model_copy(update={"consents": padded}))


# Cohorts over time


def test_a_site_refuses_a_cohort_too_close_to_one_it_helped_to_unmask(sites):
    """The server forgot, or pretends to have; the site has not."""
    everybody = {name: vectors_of(i) for i, name in enumerate(sites.names)}
    Session(sites, sites.terms()).run(everybody)
    session = up_to(3, sites)  # all four again: allowed
    with pytest.raises(CohortTooClose, match="'s4'"):
        session.clients["s1"].consent(survivors_of(session, ["s1", "s2", "s3"]))


def test_two_sessions_at_once_do_not_slip_past_the_memory(sites):
    first, second = up_to(4, sites), up_to(3, sites)
    three = survivors_of(second, ["s1", "s2", "s3"])
    consents = tuple(second.clients[name].consent(three) for name in ("s1", "s2", "s3"))
    first.clients["s1"].reveal(first.request)
    request = UnmaskRequest(
        session=second.terms.session, survivors=("s1", "s2", "s3"), dropped=("s4",), consents=consents
    )
    with pytest.raises(CohortTooClose):
        second.clients["s1"].reveal(request)


def test_steps_have_an_order(sites):
    session = up_to(1, sites)
    with pytest.raises(WrongStep):
        session.clients["s1"].consent(survivors_of(session, sites.names))
    with pytest.raises(WrongStep):  # and the session is over
        session.clients["s1"].share_keys(session.adverts)
