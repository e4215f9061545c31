"""The total is the plain sum, whoever drops out, as long as enough stay; and too few get no total."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_server.federation.secure_sum import SecureSumServer
from shared.secure_sum.encoding import Part, from_payload
from shared.secure_sum.errors import (
    BadSignature,
    CohortTooClose,
    ImplausibleTotal,
    MalformedMessage,
    SharesDoNotFit,
    SiteNotPinned,
    TooFewSites,
    UnexpectedMessage,
    WrongStep,
)
from shared.secure_sum.messages import MaskedVector
from tests.secure_sums import PARTS, Session, Sites, vectors_of


def contributions_of(sites):
    return {name: vectors_of(i) for i, name in enumerate(sites.names)}


def plain_sum(contributions, names, part):
    return np.sum([np.asarray(contributions[name][part], dtype=float) for name in names], axis=0)


def test_three_sites_by_hand():
    sites = Sites(3)
    given_by = {
        "s1": {"patient_count": [10], "sums": [1, 2, 3, 4, 0.5]},
        "s2": {"patient_count": [20], "sums": [-1, 0, 3, 0, 0.25]},
        "s3": {"patient_count": [12], "sums": [0, 0, -6, 1, 0.25]},
    }
    total = Session(sites, sites.terms()).run(given_by)
    assert total.vectors["patient_count"].tolist() == [42]
    assert total.vectors["sums"].tolist() == [0, 2, 0, 5, 1]
    assert (total.contributors, total.missing) == (("s1", "s2", "s3"), ())


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_a_site_may_drop_out_after_any_step(step):
    sites = Sites(5)
    contributions = contributions_of(sites)
    total = Session(sites, sites.terms(), lost={step: ["s2"]}).run(contributions)
    # After step 3 its vector is in the sum and its own mask comes off by the others' shares.
    there = [name for name in sites.names if step > 3 or name != "s2"]
    assert total.contributors == tuple(there)
    assert total.missing == (() if step > 3 else ("s2",))
    assert total.vectors["patient_count"] == plain_sum(contributions, there, "patient_count")
    np.testing.assert_allclose(total.vectors["sums"], plain_sum(contributions, there, "sums"), atol=5 / 2 * 2.0**-40)


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_drop_out_that_leaves_the_threshold(data):
    sites = Sites(data.draw(st.integers(4, 8)))
    terms = sites.terms()
    gone = data.draw(st.permutations(sites.names))[: len(sites.names) - terms.threshold]
    steps = {name: data.draw(st.integers(1, 5)) for name in gone}
    lost = {step: [name for name in gone if steps[name] == step] for step in range(1, 6)}
    contributions = contributions_of(sites)
    total = Session(sites, terms, lost).run(contributions)
    there = [name for name in sites.names if steps.get(name, 9) > 3]
    assert total.contributors == tuple(there)
    assert total.vectors["patient_count"] == plain_sum(contributions, there, "patient_count")
    np.testing.assert_allclose(total.vectors["sums"], plain_sum(contributions, there, "sums"), atol=4 * 2.0**-40)


@settings(max_examples=15, deadline=None)
@given(magnitude=st.integers(-12, 12), seed=st.integers(0, 2**32 - 1))
def test_vectors_of_any_range(magnitude, seed):
    limit = 10.0**magnitude
    bits = 58 - int(np.ceil(np.log2(limit)))  # 3 sites at the limit fill less than a quarter of the ring
    parts = [Part(name="values", length=7, fraction_bits=bits, limit=limit, norm_limit=3 * limit)]
    random = np.random.default_rng(seed)
    sites = Sites(3)
    contributions = {name: {"values": random.uniform(-limit, limit, 7)} for name in sites.names}
    total = Session(sites, sites.terms(parts=parts)).run(contributions)
    wanted = plain_sum(contributions, sites.names, "values")
    np.testing.assert_allclose(total.vectors["values"], wanted, rtol=0, atol=limit * 1e-15 * 3)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_too_few_sites_get_no_total_and_the_missing_are_named(step):
    sites = Sites(5)
    with pytest.raises(TooFewSites, match=r"Only 3 of 4 needed sites .*; missing: s2, s4\.") as refused:
        Session(sites, sites.terms(), lost={step: ["s2", "s4"]}).run(contributions_of(sites))
    assert refused.value.missing == ("s2", "s4")
    assert refused.value.present == ("s1", "s3", "s5")


def test_too_few_shares_do_not_open_the_total():
    sites = Sites(5)
    session = Session(sites, sites.terms(), lost={5: ["s1", "s2"]})
    with pytest.raises(TooFewSites):
        session.run(contributions_of(sites))
    with pytest.raises(WrongStep):
        session.server.finish()


def test_a_poisoned_vector_is_discarded_and_nobody_is_blamed():
    sites = Sites(4)
    session = Session(sites, sites.terms())
    session.advertise()
    session.share()
    spoiled = session.clients["s3"].mask(session.inboxes["s3"], vectors_of())
    for name in ("s1", "s2", "s4"):
        session.server.take_masked(session.clients[name].mask(session.inboxes[name], vectors_of()))
    noise = np.random.default_rng(0).bytes(len(spoiled.payload))
    session.server.take_masked(MaskedVector(session=spoiled.session, site="s3", payload=noise))
    session.survivors = session.server.close_masked()
    session.consent()
    with pytest.raises(ImplausibleTotal, match="which site caused it cannot be known") as refused:
        session.reveal()
    assert "s3" not in str(refused.value)
    # The run that follows is a new session of the same cohort: allowed.
    assert Session(sites, sites.terms()).run(contributions_of(sites)).contributors == sites.names


def test_the_largest_honest_total_is_not_taken_for_poison():
    sites = Sites(3)
    largest = {"patient_count": [1e6], "sums": [1000, -1000, 1000, -1000, 0]}
    total = Session(sites, sites.terms()).run(dict.fromkeys(sites.names, largest))
    assert total.vectors["sums"].tolist() == [3000, -3000, 3000, -3000, 0]


def test_a_wrong_share_is_noticed():
    sites = Sites(4)
    session = Session(sites, sites.terms(threshold=4))
    session.advertise()
    session.share()
    session.mask(contributions_of(sites))
    session.consent()
    for name, client in session.clients.items():
        reveal = client.reveal(session.request)
        if name == "s1":
            first = reveal.own_mask_shares[0]
            wrong = first.model_copy(update={"share": bytes(32)})
            reveal = reveal.model_copy(update={"own_mask_shares": (wrong, *reveal.own_mask_shares[1:])})
        session.server.take_reveal(reveal)
    with pytest.raises(SharesDoNotFit, match="own mask of site 's1'"):
        session.server.finish()


def test_a_wrong_share_of_a_dropped_site_is_noticed():
    sites = Sites(4)
    session = Session(sites, sites.terms(), lost={3: ["s4"]})
    session.advertise()
    session.share()
    session.mask(contributions_of(sites))
    session.consent()
    for name in session.present(5):
        reveal = session.clients[name].reveal(session.request)
        if name == "s1":
            wrong = reveal.pair_shares[0].model_copy(update={"share": bytes(32)})
            reveal = reveal.model_copy(update={"pair_shares": (wrong,)})
        session.server.take_reveal(reveal)
    with pytest.raises(SharesDoNotFit, match="pair key of site 's4'"):
        session.server.finish()


def test_the_server_refuses_what_has_no_place():
    sites = Sites(4)
    session, other = Session(sites, sites.terms()), Session(sites, sites.terms())
    session.advertise()
    advert = other.clients["s1"].advertise(other.terms, other.terms.quantity, PARTS)
    with pytest.raises(WrongStep):
        session.server.take_advert(advert)
    forged = advert.model_copy(update={"signature": bytes(64)})
    with pytest.raises(BadSignature):
        other.server.take_advert(forged)
    with pytest.raises(UnexpectedMessage, match="no place"):
        other.server.take_advert(advert.model_copy(update={"site": "s9"}))
    other.server.take_advert(advert)
    with pytest.raises(UnexpectedMessage, match="twice"):
        other.server.take_advert(advert)
    bundle = session.clients["s1"].share_keys(session.adverts)
    with pytest.raises(MalformedMessage, match="not one for every other"):
        session.server.take_shares(bundle.model_copy(update={"shares": bundle.shares[1:]}))
    with pytest.raises(WrongStep):
        session.server.finish()


def test_a_site_without_a_known_key_cannot_be_invited():
    sites = Sites(4)
    with pytest.raises(SiteNotPinned, match="'s4'"):
        SecureSumServer(sites.terms(), {name: sites.pinned[name] for name in ("s1", "s2", "s3")}, sites.released)


def test_a_masked_vector_of_another_length_is_refused():
    sites = Sites(3)
    session = Session(sites, sites.terms())
    session.advertise()
    session.share()
    with pytest.raises(MalformedMessage, match="length"):
        session.server.take_masked(MaskedVector(session=session.terms.session, site="s1", payload=bytes(8)))


def test_the_server_does_not_ask_to_unmask_a_cohort_too_close_to_an_earlier_one():
    sites = Sites(6)
    Session(sites, sites.terms()).run(contributions_of(sites))
    session = Session(sites, sites.terms(), lost={3: ["s6"]})
    session.advertise()
    session.share()
    with pytest.raises(CohortTooClose, match="'s6'"):
        session.mask(contributions_of(sites))


def test_a_sum_that_was_never_opened_still_counts_as_released():
    """The sites were asked to unmask it; whether enough of them did is known to the server alone."""
    sites = Sites(4)
    with pytest.raises(TooFewSites):
        Session(sites, sites.terms(), lost={5: ["s1", "s2"]}).run(contributions_of(sites))
    with pytest.raises(CohortTooClose, match="'s4'"):
        sites.released.check(sites.terms().quantity, ["s1", "s2", "s3"])


def test_a_masked_vector_and_the_difference_of_two_look_uniform():
    """Chi-square over the bytes of masked zeros; at 255 degrees of freedom 420 is exceeded once in 10^10."""
    parts = [Part(name="values", length=20_000, fraction_bits=20, limit=1, norm_limit=200)]
    sites = Sites(3)
    session = Session(sites, sites.terms(parts=parts))
    session.advertise()
    session.share()
    session.mask({name: {"values": np.zeros(20_000)} for name in sites.names})
    first, second = (from_payload(session.masked[name].payload) for name in ("s1", "s2"))
    for looked_at in (first, second, first - second, first + second):
        assert chi_square(looked_at) < 420
    # That the test can see structure: what the server may see, the total, is far from uniform.
    session.consent()
    assert session.reveal().vectors["values"].any() == np.False_
    assert chi_square(np.arange(20_000, dtype=np.uint64)) > 420


def chi_square(vector):
    counts = np.bincount(np.frombuffer(vector.tobytes(), dtype=np.uint8), minlength=256)
    expected = counts.sum() / 256
    return float(((counts - expected) ** 2 / expected).sum())
