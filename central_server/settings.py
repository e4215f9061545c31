"""Settings of the server, from environment variables `CENTRAL_...`, made once in `main` and handed down.

Each secret is also read from the file named by `<name>_FILE` (`CENTRAL_LEAD_PASSWORD_FILE`, ...), as containers give
them. A missing or contradictory setting ends the program with the setting's name; its value is never printed.
"""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from central_server.credentials import (
    MINIMUM_PASSWORD_LENGTH,
    ApiToken,
    LeadAccount,
    parse_api_tokens,
    parse_site_keys,
    refuse_placeholder,
)
from central_server.policy import Policy
from shared.errors import SettingsError

PREFIX = "CENTRAL_"
SECRETS = ("lead_password", "api_tokens", "site_keys", "database_password")


class Settings(BaseSettings):
    """Everything that a deployment may choose.

    Args:
        database_url: `sqlite:///path` (one server, no set-up) or `postgresql://user@host/name`.
        database_password: for PostgreSQL, kept out of the URL.
        host, port: where to listen. Anything but loopback needs TLS or `behind_proxy`.
        tls_certificate, tls_key: PEM files; both or none.
        behind_proxy: the port is reachable only by a proxy that ends TLS, or inside a private compose network.
        lead_name, lead_password: the one account for people; the password may be given as its argon2 hash.
        api_tokens: lines `name:token` or `name:token:write` for programs.
        site_keys: lines `site:key`; at start sites named here are registered, and keys that left the list end.
        silent_after_s: no sign of life for so long makes a site silent.
        no_scans_after_s: alive but without a report for so long; longer than a site's window waits for k patients.
        reopen_within_s: a cause that returns so soon after its alert was resolved reopens that alert.
        suitability_fraction: share of baseline cases outside the model reference from which a site counts as far.
        minimum_agent_version: agents before it are shown as outdated.
        pass_interval_s: time between two monitoring passes; each accepted report starts one as well.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = "sqlite:///run/central.sqlite"
    database_password: SecretStr | None = None
    database_password_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    lead_name: str = Field(default="lead", pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,79}$")
    lead_password: SecretStr | None = None
    lead_password_file: Path | None = None
    api_tokens: SecretStr | None = None
    api_tokens_file: Path | None = None
    site_keys: SecretStr | None = None
    site_keys_file: Path | None = None
    session_hours: float = Field(default=12, gt=0, le=720)
    failed_sign_ins_per_minute: int = Field(default=10, ge=1)
    max_report_bytes: int = Field(default=1024 * 1024, ge=1024)
    silent_after_s: float = Field(default=3600, gt=0)
    no_scans_after_s: float = Field(default=9 * 86400, gt=0)
    reopen_within_s: float = Field(default=3600, ge=0)
    suitability_fraction: float = Field(default=0.1, gt=0, lt=1)
    minimum_agent_version: str = Field(default="0.1.0", pattern=r"^\d+(\.\d+){0,2}$")
    pass_interval_s: float = Field(default=30, gt=0)
    log_level: str = Field(default="info", pattern=r"^(debug|info|warning|error|critical)$")

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        filled = dict(given)
        for name in SECRETS:
            path = filled.get(f"{name}_file")
            if path and not filled.get(name):
                filled[name] = _secret_in(Path(path), f"{PREFIX}{name.upper()}_FILE")
        return filled

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError("CENTRAL_TLS_CERTIFICATE and CENTRAL_TLS_KEY are set together or not at all.")
        for name, path in (("CERTIFICATE", self.tls_certificate), ("KEY", self.tls_key)):
            if path is not None and not path.is_file():
                raise SettingsError(f"CENTRAL_TLS_{name} names no file.")
        if not self.tls_certificate and not self.behind_proxy and not _is_loopback(self.host):
            raise SettingsError(
                "CENTRAL_HOST is open to the network without TLS. Set CENTRAL_TLS_CERTIFICATE and CENTRAL_TLS_KEY, "
                "or CENTRAL_BEHIND_PROXY=true where a proxy ends TLS or the network is private to the containers."
            )
        return self

    def database(self) -> URL:
        """The database's URL with its password and driver.

        Raises:
            SettingsError: the URL cannot be read, or names neither SQLite nor PostgreSQL.
        """
        try:
            url = make_url(self.database_url)
        except ArgumentError:
            raise SettingsError("CENTRAL_DATABASE_URL is not a database URL.") from None
        if url.get_backend_name() == "sqlite":
            if not url.database or url.database == ":memory:":
                raise SettingsError("CENTRAL_DATABASE_URL must name a file for SQLite.")
            return url
        if url.get_backend_name() != "postgresql":
            raise SettingsError("CENTRAL_DATABASE_URL must begin with sqlite:/// or postgresql://.")
        url = url.set(drivername="postgresql+psycopg")
        return url.set(password=self.database_password.get_secret_value()) if self.database_password else url

    def policy(self) -> Policy:
        """What monitoring and the overview call silent, outdated and far."""
        return Policy(
            silent_after=timedelta(seconds=self.silent_after_s),
            no_scans_after=timedelta(seconds=self.no_scans_after_s),
            reopen_within=timedelta(seconds=self.reopen_within_s),
            suitability_fraction=self.suitability_fraction,
            minimum_agent_version=self.minimum_agent_version,
            deaf_after=max(Policy.deaf_after, timedelta(seconds=2 * self.pass_interval_s)),
        )

    def lead(self) -> LeadAccount:
        """The account of the radiology lead.

        Raises:
            SettingsError: there is no password, or it is a placeholder.
        """
        if self.lead_password is None:
            raise SettingsError("CENTRAL_LEAD_PASSWORD (or CENTRAL_LEAD_PASSWORD_FILE) is not set.")
        secret = self.lead_password.get_secret_value()
        if not re.match(r"\$argon2", secret):
            refuse_placeholder("CENTRAL_LEAD_PASSWORD", secret, MINIMUM_PASSWORD_LENGTH)
        return LeadAccount(self.lead_name, secret)

    def tokens(self) -> tuple[ApiToken, ...]:
        """The programs that may read the API."""
        return parse_api_tokens(self.api_tokens.get_secret_value(), "CENTRAL_API_TOKENS") if self.api_tokens else ()

    def listed_site_keys(self) -> dict[str, str] | None:
        """Key hashes of the sites in the secret file, none of them where it is empty; None where no list is given."""
        if self.site_keys is None:
            return None
        return parse_site_keys(self.site_keys.get_secret_value(), "CENTRAL_SITE_KEYS")


def _secret_in(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{setting} names a file that cannot be read.") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, with options of the command line on top.

    Raises:
        SettingsError: names each setting that cannot be used.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        named = sorted({f"{PREFIX}{str(problem['loc'][0]).upper()}" for problem in error.errors() if problem["loc"]})
        reasons = [problem["msg"] for problem in error.errors() if not problem["loc"]]
        sentence = f"These settings cannot be used: {', '.join(named)}." if named else " ".join(reasons)
        raise SettingsError(sentence.replace("Value error, ", "")) from None
