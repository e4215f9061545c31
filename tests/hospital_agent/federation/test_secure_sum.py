"""A site against a server that lies, and against its own bad vectors."""

import numpy as np
import pytest

from hospital_agent.federation.secure_sum import SecureSumClient
from shared.secure_sum.errors import (
    BadSignature,
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
)
from shared.secure_sum.keys import AgreementKey, sign
from shared.secure_sum.messages import (
    Terms,
    advert_pieces,
)
from tests.secure_sums import PARTS, QUANTITY, Session, Sites, survivors_of, up_to, vectors_of


@pytest.fixture
def sites():
    return Sites(4)


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
