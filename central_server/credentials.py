"""Keys, tokens and passwords: made, parsed from secret files, refused when they are placeholders, and hashed.

Site keys, API tokens and session tokens are 256 random bits. Nobody can guess through their hashes, so HMAC-SHA-256
keyed by the purpose, and for sessions by the lead's secret, is enough and quick. The lead's password is chosen by a
person and therefore goes through argon2, or scrypt where the same key must come out at every start.
"""

import hashlib
import hmac
import re
import secrets
import threading
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from shared.errors import SettingsError

MINIMUM_KEY_LENGTH = 32
MINIMUM_PASSWORD_LENGTH = 12
HASHES_AT_ONCE = 2
"""Each hashing of a password takes 64 MiB; more attempts than these wait for their turn."""
_PLACEHOLDER = re.compile(
    r"change.?me|change.?this|placeholder|example|replace.?me|your.?(secret|password|key|token)|todo|"
    r"^(secret|password|passw0rd|admin|demo|test|letmein|xxx)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ApiToken:
    """A program's token; it reads, and changes alerts only where it was given `write`."""

    name: str
    token_hash: str
    may_write: bool


def new_key() -> str:
    """256 random bits as text of 43 characters."""
    return secrets.token_urlsafe(32)


def key_hash(purpose: str, key: str) -> str:
    """The form in which a key is stored; one purpose's hash is worthless for another."""
    return hmac.new(f"segwatch/{purpose}".encode(), key.encode(), hashlib.sha256).hexdigest()


def refuse_placeholder(setting: str, value: str, minimum_length: int) -> str:
    """The value again, if it can be a secret.

    Raises:
        SettingsError: it is a placeholder, too short, or hardly varies. The message names the setting, not the value.
    """
    if _PLACEHOLDER.search(value):
        raise SettingsError(f"{setting} holds a placeholder; put a real secret there.")
    if len(value) < minimum_length:
        raise SettingsError(f"{setting} must have at least {minimum_length} characters.")
    if len(set(value)) < 6:
        raise SettingsError(f"{setting} repeats itself; put a random secret there.")
    return value


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def parse_site_keys(text: str, setting: str) -> dict[str, str]:
    """Site name to key hash, from lines `site:key`.

    Raises:
        SettingsError: a line is not of this form, a site stands twice, or a key is a placeholder.
    """
    keys: dict[str, str] = {}
    for number, line in enumerate(_lines(text), start=1):
        site, colon, key = line.partition(":")
        if not colon or not re.fullmatch(r"[a-z][a-z0-9-]{1,39}", site):
            raise SettingsError(f"{setting}: entry {number} is not of the form site:key.")
        if site in keys:
            raise SettingsError(f"{setting}: entry {number} names a site a second time.")
        refuse_placeholder(f"{setting} entry {number}", key, MINIMUM_KEY_LENGTH)
        keys[site] = key_hash("site", key)
    return keys


def parse_api_tokens(text: str, setting: str) -> tuple[ApiToken, ...]:
    """Tokens of programs, from lines `name:token` (reads) or `name:token:write`.

    Raises:
        SettingsError: a line is not of this form, a name stands twice, or a token is a placeholder.
    """
    tokens: dict[str, ApiToken] = {}
    for number, line in enumerate(_lines(text), start=1):
        name, _, rest = line.partition(":")
        token, _, right = rest.partition(":")
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name) or not token or right not in ("", "write"):
            raise SettingsError(f"{setting}: entry {number} is not of the form name:token or name:token:write.")
        if name in tokens:
            raise SettingsError(f"{setting}: entry {number} names a program a second time.")
        refuse_placeholder(f"{setting} entry {number}", token, MINIMUM_KEY_LENGTH)
        tokens[name] = ApiToken(name, key_hash("api", token), right == "write")
    return tuple(tokens.values())


class LeadAccount:
    """The one person who signs in: a name, and a password kept as slow hashes of it only.

    Args:
        name: as it will stand in the audit and on alerts.
        secret: the password, or its argon2 hash, so that the secret file need not hold the password itself.
    """

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self._hasher = PasswordHasher()
        self._at_once = threading.Semaphore(HASHES_AT_ONCE)
        self._session_key = hashlib.scrypt(secret.encode(), salt=f"segwatch/lead/{name}".encode(), n=2**14, r=8, p=1)
        self._hash = secret if secret.startswith("$argon2") else self._hasher.hash(secret)

    def admits(self, name: str, password: str) -> bool:
        """Whether name and password fit; takes as long for a wrong name as for a wrong password."""
        try:
            with self._at_once:
                self._hasher.verify(self._hash, password)
        except (Argon2Error, InvalidHashError):
            return False
        return hmac.compare_digest(name.encode(), self.name.encode())

    def session_hash(self, token: str) -> str:
        """The form in which a session's token is stored.

        Its key is made from the account's name and secret: where either is changed, no token that was given out
        before is found again, and every older session is over.
        """
        return hmac.new(self._session_key, token.encode(), hashlib.sha256).hexdigest()
