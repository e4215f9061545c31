"""Settings of the dashboard, from environment variables that begin with DASHBOARD_; made once, in `cli`."""

import secrets
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import SettingsError

PREFIX = "DASHBOARD_"
PLACEHOLDERS = frozenset({"changeme", "change-me", "change_me", "secret", "password", "example", "placeholder", "todo"})
SHORTEST_SECRET = 32


class Settings(BaseSettings):
    """How the dashboard runs.

    Args:
        central_url: where the centre's REST API is, without `/api/v1`.
        host, port: where the dashboard listens; loopback unless `behind_proxy` says that TLS is ended elsewhere.
        behind_proxy: the dashboard stands in a container network or behind a TLS proxy and may listen beyond loopback.
        session_secret, session_secret_file: signs the session cookie; without one a random secret is drawn at each
            start and people sign in again after a restart.
        secure_cookie: the browser returns the cookie over TLS only; set it wherever people reach the dashboard by TLS.
        ca_file: certificate authority of the centre, where it is not one that the system trusts.
        refresh_s: seconds between two looks at the centre by an open page.
        timeout_s: how long one question to the centre may take.
        threads: how many requests are answered at the same time.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    central_url: str = Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$")
    host: str = "127.0.0.1"
    port: int = Field(default=8050, ge=0, le=65535)
    behind_proxy: bool = False
    session_secret: SecretStr | None = None
    session_secret_file: Path | None = None
    secure_cookie: bool = False
    ca_file: Path | None = None
    refresh_s: float = Field(default=30, ge=1, le=3600)
    timeout_s: float = Field(default=10, gt=0, le=120)
    threads: int = Field(default=8, ge=1, le=64)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if not self.behind_proxy and not _is_loopback(self.host):
            raise ValueError(
                f"{PREFIX}HOST: listening on {self.host} needs {PREFIX}BEHIND_PROXY=true, because the dashboard "
                "itself speaks no TLS."
            )
        if self.session_secret is not None and self.session_secret_file is not None:
            raise ValueError(f"{PREFIX}SESSION_SECRET and {PREFIX}SESSION_SECRET_FILE: give one of the two.")
        self.signing_key()
        return self

    @property
    def patience_s(self) -> float:
        """How long an open page waits for one answer, which rests on several questions to the centre in a row."""
        return max(30.0, 6 * self.timeout_s)

    def signing_key(self) -> bytes:
        """The key that signs the session cookie; a random one where none is configured.

        Raises:
            ValueError: the file cannot be read, or the secret is a placeholder or too short.
        """
        name, text = f"{PREFIX}SESSION_SECRET", None
        if self.session_secret is not None:
            text = self.session_secret.get_secret_value().strip()
        elif self.session_secret_file is not None:
            name, text = f"{PREFIX}SESSION_SECRET_FILE", _read(self.session_secret_file)
        if text is None:
            return secrets.token_bytes(SHORTEST_SECRET)
        if any(word in text.lower() for word in PLACEHOLDERS) or len(set(text)) < 8:
            raise ValueError(f"{name}: this is a placeholder. Draw a secret, e.g. with: openssl rand -hex 32")
        if len(text) < SHORTEST_SECRET:
            raise ValueError(f"{name}: a secret of at least {SHORTEST_SECRET} characters is needed.")
        return text.encode()


def load(**chosen: str | int | None) -> Settings:
    """The settings of this process; what is chosen on the command line comes before the environment.

    Raises:
        SettingsError: names the setting that is missing or cannot be used; never its value.
    """
    try:
        given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(" ".join(_sentence(item) for item in error.errors())) from None


def _sentence(error: ErrorDetails) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name = f"{PREFIX}{str(error['loc'][0]).upper()}"
    return f"{name} is missing." if error["type"] == "missing" else f"{name} cannot be used: {message}."


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{PREFIX}SESSION_SECRET_FILE: the file cannot be read ({type(error).__name__}).") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
