"""A site against a server that lies, and against its own bad vectors."""

import numpy as np
import pytest

from hospital_agent.federation.secure_sum import SecureSumClient
from shared.secure_sum.encoding import from_payload
from shared.secure_sum.errors import (
    BadSignature,
    BothSharesAsked,
    CohortsDiffer,
    CohortTooClose,
    CohortTooSmall,
    ContributionMismatch,
    ContributionRefused,
    KeysRepeated,
    LeftOut,
    MalformedMessage,
    NotFinite,
    OverLimit,
    OverNorm,
    SessionReplayed,
    SiteNotPinned,
    TamperedShare,
    TermsDiffer,
    UnexpectedMessage,
    WrongStep,
)
from shared.secure_sum.keys import AgreementKey, sign
from shared.secure_sum.masks import add_mask
from shared.secure_sum.messages import (
    SurvivorList,
    Terms,
    UnmaskRequest,
    advert_pieces,
)
from shared.secure_sum.sharing import combine
from tests.secure_sums import PARTS, QUANTITY, Session, Sites, sent, vectors_of


@pytest.fixture
def sites():
    return Sites(4)


def up_to(step, sites, lost=None, **terms):
    """A session whose steps up to this one are done."""
    session = Session(sites, sites.terms(**terms), lost)
    session.advertise()
    if step >= 2:
        session.share()
    if step >= 3:
        session.mask({name: vectors_of(i) for i, name in enumerate(sites.names)})
    if step >= 4:
        session.consent()
    return session


def survivors_of(session, names):
    return SurvivorList(session=session.terms.session, survivors=tuple(names))


# Terms


def test_fewer_than_three_sites_are_refused(sites):
    three = sites.terms(["s1", "s2", "s3"])
    two = three.to_bytes().replace(b'["s1","s2","s3"]', b'["s1","s2"]').replace(b'"threshold":3', b'"threshold":2')
    with pytest.raises(CohortTooSmall, match="at least 3"):
        Terms.from_bytes(two)


def test_fewer_participants_than_the_threshold_are_refused(sites):
    session = up_to(1, sites)
    few = session.adverts.model_copy(update={"adverts": session.adverts.adverts[:2]})
    with pytest.raises(CohortTooSmall, match="Only 2 sites"):
        session.clients["s1"].share_keys(few)


def test_fewer_sharers_than_the_threshold_are_refused(sites):
    session = up_to(2, sites)
    inbox = session.inboxes["s1"]
    with pytest.raises(CohortTooSmall, match="Only 2 sites"):
        session.clients["s1"].mask(inbox.model_copy(update={"shares": inbox.shares[:1]}), vectors_of())


def test_fewer_survivors_than_the_threshold_are_refused(sites):
    session = up_to(3, sites)
    with pytest.raises(CohortTooSmall, match="Only 2 sites"):
        session.clients["s1"].consent(survivors_of(session, ["s1", "s2"]))


def test_a_site_whose_key_is_not_pinned_is_refused(sites):
    stranger = SecureSumClient("s1", sites.keys["s1"], {n: sites.pinned[n] for n in ("s2", "s3")}, sites.memories["s1"])
    with pytest.raises(SiteNotPinned, match="'s4'"):
        stranger.advertise(sites.terms(), QUANTITY, PARTS)


def test_a_sum_that_the_site_was_not_invited_to_is_refused(sites):
    with pytest.raises(LeftOut):
        sites.client("s4").advertise(sites.terms(["s1", "s2", "s3"]), QUANTITY, PARTS)


@pytest.mark.parametrize(("quantity", "parts"), [("other/2026-11", PARTS), (QUANTITY, PARTS[:1])])
def test_another_quantity_or_scale_than_the_site_would_sum_is_refused(sites, quantity, parts):
    with pytest.raises(TermsDiffer):
        sites.client("s1").advertise(sites.terms(), quantity, parts)


def test_different_terms_shown_to_different_sites_are_noticed(sites):
    """s1 is told of a cohort without s4, under the same session id; nobody's keys are then signed for both."""
    session = Session(sites, sites.terms())
    smaller = sites.terms(["s1", "s2", "s3"]).model_copy(update={"session": session.terms.session})
    for name, client in session.clients.items():
        session.server._adverts[name] = client.advertise(smaller if name == "s1" else session.terms, QUANTITY, PARTS)
    adverts = session.server.close_adverts()
    with pytest.raises(BadSignature, match="'s1'"):
        session.clients["s2"].share_keys(adverts)
    fewer = adverts.model_copy(update={"adverts": adverts.adverts[:3]})
    with pytest.raises(BadSignature, match="'s2'"):
        session.clients["s1"].share_keys(fewer)


def test_an_old_session_is_refused(sites):
    session = up_to(1, sites)
    with pytest.raises(SessionReplayed):
        sites.client("s1").advertise(session.terms, QUANTITY, PARTS)


def test_messages_of_an_old_session_are_refused(sites):
    old, new = up_to(4, sites), up_to(1, sites)
    with pytest.raises(UnexpectedMessage, match="another session"):
        new.clients["s1"].share_keys(old.adverts)
    # Old adverts under the new session's name: their signatures bind the old terms.
    relabelled = [
        new_one if new_one.site == "s2" else old_one.model_copy(update={"session": new.terms.session})
        for old_one, new_one in zip(old.adverts.adverts, new.adverts.adverts, strict=True)
    ]
    with pytest.raises(BadSignature):
        new.clients["s2"].share_keys(new.adverts.model_copy(update={"adverts": tuple(relabelled)}))


# Keys


@pytest.mark.parametrize("swapped", ["mask_key", "envelope_key", "commitment"])
def test_a_swapped_key_fails_at_the_pinned_signature(sites, swapped):
    session = up_to(1, sites)
    bent = [
        advert.model_copy(update={swapped: AgreementKey.fresh().public}) if advert.site == "s2" else advert
        for advert in session.adverts.adverts
    ]
    with pytest.raises(BadSignature, match="'s2'"):
        session.clients["s1"].share_keys(session.adverts.model_copy(update={"adverts": tuple(bent)}))


def test_keys_signed_by_the_server_itself_are_refused(sites):
    session = up_to(1, sites)
    fake = AgreementKey.fresh().public
    pieces = advert_pieces(session.terms, "s2", fake, fake, bytes(32))
    forged = session.adverts.adverts[1].model_copy(
        update={
            "envelope_key": fake,
            "mask_key": fake,
            "commitment": bytes(32),
            "signature": sign(Sites(1).keys["s1"], "key advert", *pieces),
        }
    )
    adverts = tuple(forged if advert.site == "s2" else advert for advert in session.adverts.adverts)
    with pytest.raises(BadSignature):
        session.clients["s1"].share_keys(session.adverts.model_copy(update={"adverts": adverts}))


def test_a_key_shown_twice_is_refused(sites):
    """A site that copies another's keys, signing them itself, would share all of that site's pair masks."""
    session = up_to(1, sites)
    copied = session.adverts.adverts[0]
    pieces = advert_pieces(session.terms, "s3", copied.envelope_key, copied.mask_key, copied.commitment)
    copy = copied.model_copy(update={"site": "s3", "signature": sign(sites.keys["s3"], "key advert", *pieces)})
    adverts = tuple(copy if advert.site == "s3" else advert for advert in session.adverts.adverts)
    with pytest.raises(KeysRepeated):
        session.clients["s2"].share_keys(session.adverts.model_copy(update={"adverts": adverts}))


def test_a_list_without_the_own_keys_is_refused(sites):
    session = up_to(1, sites)
    with pytest.raises(LeftOut):
        session.clients["s1"].share_keys(session.adverts.model_copy(update={"adverts": session.adverts.adverts[1:]}))


def test_a_list_that_names_a_site_twice_is_refused(sites):
    session = up_to(1, sites)
    twice = (*session.adverts.adverts, session.adverts.adverts[1])
    with pytest.raises(UnexpectedMessage):
        session.clients["s1"].share_keys(session.adverts.model_copy(update={"adverts": twice}))


def test_a_key_of_small_order_is_refused(sites):
    """With the all-zero key anybody would know what two sites agree on; signed by a careless or bad site."""
    session = up_to(1, sites)
    honest = session.adverts.adverts[1]
    pieces = advert_pieces(session.terms, "s2", bytes(32), honest.mask_key, honest.commitment)
    signature = sign(sites.keys["s2"], "key advert", *pieces)
    bad = honest.model_copy(update={"envelope_key": bytes(32), "signature": signature})
    adverts = tuple(bad if advert.site == "s2" else advert for advert in session.adverts.adverts)
    with pytest.raises(MalformedMessage, match="agree"):
        session.clients["s1"].share_keys(session.adverts.model_copy(update={"adverts": adverts}))


# Shares


def test_a_tampered_share_is_refused(sites):
    session = up_to(2, sites)
    inbox = session.inboxes["s1"]
    first = inbox.shares[0]
    flipped = first.sealed[:-1] + bytes([first.sealed[-1] ^ 1])
    bent = (first.model_copy(update={"sealed": flipped}), *inbox.shares[1:])
    with pytest.raises(TamperedShare, match="'s2'"):
        session.clients["s1"].mask(inbox.model_copy(update={"shares": bent}), vectors_of())


def test_a_share_sealed_for_somebody_else_is_refused(sites):
    session = up_to(2, sites)
    inbox, other = session.inboxes["s1"], session.inboxes["s3"]
    for_other = next(share for share in other.shares if share.sender == "s2")
    relabelled = (for_other.model_copy(update={"recipient": "s1"}), *inbox.shares[1:])
    with pytest.raises(TamperedShare):
        session.clients["s1"].mask(inbox.model_copy(update={"shares": relabelled}), vectors_of())


def test_an_inbox_with_a_share_twice_is_refused(sites):
    session = up_to(2, sites)
    inbox = session.inboxes["s1"]
    with pytest.raises(UnexpectedMessage):
        session.clients["s1"].mask(inbox.model_copy(update={"shares": (*inbox.shares, inbox.shares[0])}), vectors_of())


def test_an_inbox_with_a_share_for_somebody_else_is_refused(sites):
    session = up_to(2, sites)
    inbox, other = session.inboxes["s1"], session.inboxes["s2"]
    not_mine = next(share for share in other.shares if share.sender == "s3")
    bent = (*(share for share in inbox.shares if share.sender != "s3"), not_mine)
    with pytest.raises(UnexpectedMessage):
        session.clients["s1"].mask(inbox.model_copy(update={"shares": bent}), vectors_of())


# The own contribution


@pytest.mark.parametrize(
    ("sums", "error"),
    [
        ([0, np.nan, 0, 0, 0], NotFinite),
        ([0, 0, np.inf, 0, 0], NotFinite),
        ([0, 0, 0, 0, -1234.5], OverLimit),
        ([987.125] * 5, OverNorm),
        ([0] * 4, ContributionMismatch),
        (["many"] * 5, ContributionMismatch),
    ],
)
def test_a_bad_contribution_is_refused_before_masking_and_without_a_number(sites, sums, error):
    session = up_to(2, sites)
    with pytest.raises(error) as refused:
        session.clients["s1"].mask(session.inboxes["s1"], {"patient_count": [17], "sums": sums})
    assert isinstance(refused.value, ContributionRefused)
    assert not any(character.isdigit() for character in str(refused.value))
    assert "nan" not in str(refused.value).lower().split()


def test_a_contribution_with_another_part_is_refused(sites):
    session = up_to(2, sites)
    with pytest.raises(ContributionMismatch):
        session.clients["s1"].mask(session.inboxes["s1"], {**vectors_of(), "more": [1]})


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
