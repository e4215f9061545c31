"""Keys are long and random, stored as hashes, and placeholders are refused by name of setting."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from argon2 import PasswordHasher

from central_server.credentials import (
    HASHES_AT_ONCE,
    LeadAccount,
    key_hash,
    new_key,
    parse_api_tokens,
    parse_site_keys,
    refuse_placeholder,
)
from shared.errors import SettingsError

KEY = "k7Jx-0pQ2mVd9sLw4yTz8bNc1fGh6RuE3aXoKiZq5W0"


def test_keys_have_256_bits_and_never_repeat() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {43}
    for key in keys:
        assert refuse_placeholder("KEY", key, 32) == key


def test_a_hash_serves_one_purpose_only() -> None:
    assert key_hash("site", KEY) == key_hash("site", KEY)
    assert key_hash("site", KEY) != key_hash("api", KEY)
    assert KEY not in key_hash("site", KEY)


@pytest.mark.parametrize(
    "text",
    ["a-site", "North:" + KEY, ":" + KEY, f"a-site:{KEY}\na-site:{KEY}", "a-site:changeme" * 3, "a-site:short"],
)
def test_site_key_lists_that_cannot_be_are_refused_without_telling_the_key(text: str) -> None:
    with pytest.raises(SettingsError, match="CENTRAL_SITE_KEYS") as error:
        parse_site_keys(text, "CENTRAL_SITE_KEYS")
    assert KEY not in str(error.value)


@pytest.mark.parametrize("text", ["monitor", f"m:{KEY}:admin", f"m:{KEY}\nm:{KEY}", "m:", "m:" + "placeholder-" * 3])
def test_token_lists_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="CENTRAL_API_TOKENS"):
        parse_api_tokens(text, "CENTRAL_API_TOKENS")


def test_a_password_or_its_hash_admit_the_same_person() -> None:
    plain = LeadAccount("lead", "tulip-anchor-93-violet")
    hashed = LeadAccount(
        "lead", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("tulip-anchor-93-violet")
    )
    for account in (plain, hashed):
        assert account.admits("lead", "tulip-anchor-93-violet")
        assert not account.admits("lead", "tulip-anchor-93-viole")
        assert not account.admits("Lead", "tulip-anchor-93-violet")
        assert "tulip" not in str(vars(account))


def test_a_broken_hash_admits_nobody() -> None:
    assert not LeadAccount("lead", "$argon2id$broken").admits("lead", "anything")


def test_few_passwords_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB while it lasts."""
    at_once, most, lock = 0, 0, threading.Lock()

    def slow(*_: object) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        sleep(0.01)
        with lock:
            at_once -= 1
        return True

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    lead = LeadAccount("lead", "$argon2id$none")
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: lead.admits("lead", "any"), range(16)))
    assert most == HASHES_AT_ONCE == 2
