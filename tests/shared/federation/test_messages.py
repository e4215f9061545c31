"""The messages of a federated run come back as they went, and nothing else passes for one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.federation.errors import BrokenMessage
from shared.federation.messages import Closing, Opening, Outcome, Packet, Plan, Refusal, SumAnswer, SumStep
from shared.secure_sum.encoding import Part

RUN = "0123456789abcdef" * 2
PART = Part(name="round", length=3, fraction_bits=16, limit=2.0, norm_limit=4.0)
TOTALS = st.lists(arrays.arrays(np.float64, st.integers(1, 5), elements=st.floats(allow_nan=False)), max_size=3)


@given(totals=TOTALS)
def test_totals_come_back_bit_by_bit(totals):
    sent = Opening.made(RUN, "gaussian", {"dimension": 4, "check": True, "space": "shipped"}, totals)
    read = Opening.of(sent.packet())
    assert read == sent
    assert read.options == {"dimension": 4, "check": True, "space": "shipped"}
    assert [total.tobytes() for total in read.totals] == [total.tobytes() for total in totals]


@pytest.mark.parametrize(
    "message",
    [
        Closing.made(RUN, "gaussian", {}, [np.arange(3.0)], contributors=("site-a", "site-b", "site-c")),
        SumStep(run=RUN, step="terms", raw=b'{"any": 1}\n\x00\xff'),
        SumAnswer(run=RUN, site="site-a", step="inbox", raw=b"\n\n"),
        Plan(run=RUN, site="site-a", finished=False, quantity="gaussian/shipped", parts=(PART,)),
        Outcome(run=RUN, site="site-a", told={"patients": 40, "weight": 0.25}),
        Refusal(run=RUN, site="site-a", reason="not_allowed", sentence="The policy of this site forbids it."),
    ],
    ids=lambda message: message.kind,
)
def test_a_message_comes_back_as_it_went(message):
    assert type(message).of(message.packet()) == message


def test_a_message_of_another_kind_is_refused():
    with pytest.raises(BrokenMessage, match="'plan' was expected"):
        Plan.of(SumStep(run=RUN, step="terms").packet())


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff\n", b'{"run": "secret-value"}\n'])
def test_bytes_that_are_no_message_are_refused_without_an_echo(body):
    with pytest.raises(BrokenMessage) as refused:
        Refusal.of(Packet("refusal", body))
    assert "secret-value" not in str(refused.value)


@pytest.mark.parametrize("cut", [0, 8, 23, 25])
def test_totals_of_another_length_than_said_are_refused(cut):
    packet = Opening.made(RUN, "gaussian", {}, [np.ones(3)]).packet()
    head, _, raw = packet.body.partition(b"\n")
    with pytest.raises(BrokenMessage, match="not as long"):
        Opening.of(Packet("opening", head + b"\n" + (raw + bytes(8))[:cut]))


def test_bytes_beside_a_message_that_has_none_are_refused():
    packet = Outcome(run=RUN, site="site-a", told={}).packet()
    with pytest.raises(BrokenMessage):
        Outcome.of(Packet("outcome", packet.body + b"more"))
