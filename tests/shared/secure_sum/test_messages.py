"""Messages survive the wire and nothing else passes for one."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.secure_sum.encoding import Part
from shared.secure_sum.errors import CohortTooSmall, MalformedMessage, NoHeadroom, ThresholdTooLow
from shared.secure_sum.messages import (
    AdvertList,
    Consent,
    KeyAdvert,
    MaskedVector,
    Reveal,
    RevealedShare,
    SealedShare,
    ShareBundle,
    ShareInbox,
    SurvivorList,
    Terms,
    UnmaskRequest,
    consent_pieces,
)

SESSION = bytes(range(16))
PART = Part(name="values", length=3, fraction_bits=20, limit=10, norm_limit=10)
SEALED = SealedShare(sender="s1", recipient="s2", sealed=b"\x00\xff\n")
ADVERT = KeyAdvert(
    session=SESSION,
    site="s1",
    envelope_key=b"\x01" * 32,
    mask_key=b"\xff" * 32,
    commitment=b"\n" * 32,
    signature=bytes(64),
)
CONSENT = Consent(session=SESSION, site="s1", signature=b"\xfe" * 64)
SHARE = RevealedShare(owner="s1", share=b"\x80" * 32)


def terms_of(**changes):
    given_values = {
        "session": SESSION, "round_number": 0, "quantity": "moments/2026-11",
        "cohort": ("s1", "s2", "s3"), "threshold": 3, "parts": (PART,),
    }  # fmt: skip
    return Terms(**{**given_values, **changes})


MESSAGES = [
    terms_of(),
    ADVERT,
    AdvertList(session=SESSION, adverts=(ADVERT,)),
    ShareBundle(session=SESSION, site="s1", shares=(SEALED,)),
    ShareInbox(session=SESSION, site="s2", shares=(SEALED,)),
    MaskedVector(session=SESSION, site="s1", payload=b"\n\x00\xff" * 8),
    SurvivorList(session=SESSION, survivors=("s1", "s2", "s3")),
    CONSENT,
    UnmaskRequest(session=SESSION, survivors=("s1",), dropped=("s2",), consents=(CONSENT,)),
    Reveal(session=SESSION, site="s1", own_mask_shares=(SHARE,), pair_shares=()),
]
BY_KIND = pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)


@BY_KIND
def test_a_message_comes_back_from_its_bytes(message):
    assert type(message).from_bytes(message.to_bytes()) == message


@BY_KIND
@given(data=st.data())
def test_cut_bytes_are_a_named_error(message, data):
    raw = message.to_bytes()
    header = raw.index(b"\n") if isinstance(message, MaskedVector) else len(raw)
    cut = data.draw(st.integers(0, header - 1))
    with pytest.raises(MalformedMessage, match=r"These bytes are no"):
        type(message).from_bytes(raw[:cut])


@BY_KIND
@given(raw=st.binary(max_size=60))
def test_any_bytes_are_a_named_error(message, raw):
    with pytest.raises(MalformedMessage):
        type(message).from_bytes(raw)


@pytest.mark.parametrize(
    "change",
    [
        {"session": "AAAA"},
        {"site": "../etc"},
        {"signature": 5},
        {"version": 2},
        {"secret of a patient": 1},
    ],
)
def test_a_bent_field_is_refused_and_not_echoed(change):
    bent = json.dumps({**json.loads(CONSENT.to_bytes()), **change}).encode()
    with pytest.raises(MalformedMessage) as refused:
        Consent.from_bytes(bent)
    assert not any(str(value) in str(refused.value) for value in (*change, "../etc") if value != "session")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"cohort": ("s1", "s2"), "threshold": 2}, CohortTooSmall),
        ({"cohort": ()}, CohortTooSmall),
        ({"threshold": 2}, ThresholdTooLow),
        ({"threshold": 4}, ThresholdTooLow),
        ({"cohort": ("s1", "s2", "s3", "s4", "s5", "s6"), "threshold": 4}, ThresholdTooLow),
        ({"parts": (PART.model_copy(update={"fraction_bits": 58}),)}, NoHeadroom),
        ({"cohort": ("s2", "s1", "s3")}, ValidationError),
        ({"cohort": ("s1", "s1", "s2", "s3")}, ValidationError),
        ({"parts": (PART, PART)}, ValidationError),
        ({"parts": ()}, ValidationError),
    ],
)
def test_terms_that_no_site_may_accept_do_not_exist(changes, error):
    with pytest.raises(error):
        terms_of(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"session": bytes(16)},
        {"round_number": 1},
        {"quantity": "moments/2026-12"},
        {"cohort": ("s1", "s2", "s4")},
        {"parts": (PART.model_copy(update={"norm_limit": 9.0}),)},
    ],
)
def test_the_fingerprint_follows_every_term(changes):
    assert terms_of(**changes).fingerprint != terms_of().fingerprint
    assert Terms.from_bytes(terms_of().to_bytes()).fingerprint == terms_of().fingerprint


def test_a_consent_covers_keys_sharers_and_survivors_whatever_their_order():
    other = ADVERT.model_copy(update={"site": "s2"})
    base = consent_pieces(terms_of(), [ADVERT, other], ["s1", "s2"], ["s1"])
    assert consent_pieces(terms_of(), [other, ADVERT], ["s2", "s1"], ["s1"]) == base
    bent = other.model_copy(update={"mask_key": bytes(32)})
    variants = (
        consent_pieces(terms_of(), [ADVERT, bent], ["s1", "s2"], ["s1"]),
        consent_pieces(terms_of(), [ADVERT, other], ["s1"], ["s1"]),
        consent_pieces(terms_of(), [ADVERT, other], ["s1", "s2"], ["s1", "s2"]),
        consent_pieces(terms_of(round_number=1), [ADVERT, other], ["s1", "s2"], ["s1"]),
    )
    assert base not in variants


def test_a_masked_vector_costs_eight_bytes_an_entry_and_a_line():
    message = MaskedVector(session=SESSION, site="s1", payload=bytes(8 * 10_000))
    assert len(message.to_bytes()) < 8 * 10_000 + 100


def test_shares_and_payloads_stay_out_of_what_is_printed():
    assert "80" not in repr(SHARE)
    assert "payload" not in repr(MESSAGES[5])


def test_programs_without_the_federation_extra_still_start():
    code = (
        "import sys; sys.modules['cryptography'] = sys.modules['Crypto'] = None\n"
        "import shared.report, shared.read_models, central_server.app, central_server.cli, hospital_agent.settings"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).stderr.decode() == ""
