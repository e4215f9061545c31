import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.pages.sign_in import safe_next


@pytest.mark.parametrize("address", ["/", "/alerts?state=firing", "/sites/north-clinic?quantity=a&window=3"])
def test_a_page_of_this_dashboard_is_kept(address: str) -> None:
    assert safe_next(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None, "", "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)",
        "/sign-in", "/sign-out", "/x\nSet-Cookie: a=b", "/x\r\ny", "/\t/evil.example", "evil",
    ],
)  # fmt: skip
def test_anything_else_leads_to_the_overview(address: str | None) -> None:
    assert safe_next(address) == "/"


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="/\\:.ae\t\n\r@?#", max_size=12))
def test_whatever_is_asked_for_stays_on_this_host(address: str) -> None:
    onward = safe_next(address)
    assert onward.startswith("/")
    assert not onward[1:2] or onward[1] not in "/\\\t\n\r"
