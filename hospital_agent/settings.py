"""Settings of the agent, from environment variables `AGENT_...`, made once in `main` and handed down.

The site key is also read from the file named by `AGENT_SITE_KEY_FILE`, as containers give secrets. A missing or
unusable setting ends the program with its name; no value is ever printed.
"""

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hospital_agent import federation
from hospital_agent.allow_list import AllowList
from hospital_agent.reporting.privacy import Policy
from shared.errors import SettingsError
from shared.statistics.shiryaev_roberts import log_threshold

PREFIX = "AGENT_"
MIN_SECRET_LENGTH = 16
SMALLEST_K = 3  # below that "1 to k-1" is a single number
STEPS_PER_YEAR = 20 * 365  # a detector takes one case at a time, 20 on a day
DEFAULT_STREAMS = 40_000  # detectors of the whole federation: it is the federation that is promised few false pages
_HOST_AND_PORT = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$"
_PLACEHOLDER = re.compile(r"change.?me|placeholder|example|secret.?here|your.?key", re.IGNORECASE)


class Settings(BaseSettings):
    """Everything that a site may choose.

    Args:
        site: the site's name in the federation.
        inbox: where series arrive: one sub-folder a series, loose DICOM files, or NIfTI files.
        data_dir: the local store and the processed inputs; patient data stays in here.
        after: what becomes of processed inputs: kept in `done` and `refused` of the data folder, or deleted.
        central_url, site_key: the centre and the key it gave this site.
        central_ca: PEM file of an own certificate authority; the system's are used otherwise.
        allow_plain_http: speak HTTP without TLS to a centre in the same private container network.
        k: least number of distinct patients in anything that is released. Unset: nothing leaves the site.
        exact_event_counts: tell counts of events below k as they are.
        policy_file: TOML with `version`, `k`, `exact_event_counts`, owned by the site; it goes before the two above.
        window_length_s: a window closes at the first multiple of this at which it holds k patients.
        max_window_age_s: at this age it closes as suppressed; eight window lengths when unset.
        baseline_patients: distinct patients that make the frozen site baseline.
        quiet_period_s: an input that has not changed for so long is complete.
        poll_s: time between two looks at the inbox.
        sign_of_life_s: time between two signs of life to the centre.
        model_dir: a model folder; the shipped one when unset.
        allowed_models: SHA-256 of models from elsewhere that may run code when they are loaded, separated by commas;
            those in the file `allowed_models` of the data folder count as well.
        device, threads: where and on how many threads to segment.
        lungs: name of the lung backend.
        federation_streams: detectors of all sites together, from which the alarm line follows.
        federation_superlink: host:port of the centre's SuperLink; unset: the site takes part in no federated work.
        federation_ca_file: PEM file of the authority that signed the SuperLink's certificate; public ones otherwise.
        federation_node_key: private key by which the SuperLink knows this node (ECDSA on P-384, PEM); the one in the
            data folder that `hospital-agent federation node-key` makes when unset.
        federation_policy_file: TOML, owned by the site: which jobs, with whom, how large. Unset: nothing is given.
        federation_images, federation_references: what federated jobs may look at: images as for `fit`, and reference
            masks with their names.
        log_level: debug, info, warning or error.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    site: str = Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")
    inbox: Path
    data_dir: Path
    after: Literal["keep", "delete"] = "keep"
    central_url: str
    site_key: SecretStr
    site_key_file: Path | None = None
    central_ca: Path | None = None
    allow_plain_http: bool = False
    k: int | None = Field(default=None, ge=SMALLEST_K)
    exact_event_counts: bool = False
    policy_file: Path | None = None
    window_length_s: float = Field(default=86400, gt=0)
    max_window_age_s: float | None = Field(default=None, gt=0)
    baseline_patients: int = Field(default=100, ge=10)
    quiet_period_s: float = Field(default=60, gt=0)
    poll_s: float = Field(default=5, gt=0)
    sign_of_life_s: float = Field(default=60, gt=0)
    model_dir: Path | None = None
    allowed_models: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, ge=1)
    lungs: str = "threshold"
    federation_streams: float = Field(default=DEFAULT_STREAMS, gt=0)
    federation_superlink: str | None = Field(default=None, pattern=_HOST_AND_PORT)
    federation_ca_file: Path | None = None
    federation_node_key: Path | None = None
    federation_policy_file: Path | None = None
    federation_images: Path | None = None
    federation_references: Path | None = None
    log_level: str = Field(default="info", pattern=r"^(debug|info|warning|error|critical)$")

    @model_validator(mode="before")
    @classmethod
    def _read_key_file(cls, given: dict[str, Any]) -> dict[str, Any]:
        path = given.get("site_key_file")
        if not path or given.get("site_key"):
            return given
        return {**given, "site_key": _text_of(Path(path), "AGENT_SITE_KEY_FILE").strip()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse_placeholder("AGENT_SITE_KEY", self.site_key.get_secret_value())
        _check_url(self.central_url, allow_plain=self.allow_plain_http)
        if not self.inbox.is_dir():
            raise SettingsError("AGENT_INBOX names no folder.")
        if self.max_window_age_s is not None and self.max_window_age_s < self.window_length_s:
            raise SettingsError("AGENT_MAX_WINDOW_AGE_S must be at least AGENT_WINDOW_LENGTH_S.")
        return self

    @property
    def policy(self) -> Policy | None:
        """The site's privacy rule; None where it says no k, and then nothing leaves.

        Raises:
            SettingsError: the policy file cannot be used.
        """
        if self.policy_file is not None:
            return _read_policy(self.policy_file)
        return None if self.k is None else Policy(self.k, self.exact_event_counts, version="settings")

    @property
    def allow_list(self) -> AllowList:
        """Which models from elsewhere may run code here.

        Raises:
            SettingsError: something in the setting or in the file is not a SHA-256.
        """
        return AllowList.of_site(self.allowed_models, self.data_dir)

    @property
    def federation_dir(self) -> Path:
        """Where federated work keeps its things: the site key, pinned keys, cached rows, proposals, what is in use."""
        return self.data_dir / federation.FOLDER

    @property
    def window_age_limit_s(self) -> float:
        """How long a window may wait for k patients."""
        return self.max_window_age_s or 8 * self.window_length_s

    @property
    def log_threshold(self) -> float:
        """The alarm line of every detector, ln c."""
        return log_threshold(self.federation_streams, STEPS_PER_YEAR)


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, with options of the command line on top.

    Raises:
        SettingsError: names each setting that is missing or cannot be used.
    """
    try:
        settings = Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        missing = sorted(_setting(p["loc"]) for p in problems if p["type"] == "missing")
        wrong = sorted(_setting(p["loc"]) for p in problems if p["type"] != "missing" and p["loc"])
        sentences = [f"{_listed(missing)} not set." if missing else "", f"{_listed(wrong)} unusable." if wrong else ""]
        sentences += [problem["msg"].removeprefix("Value error, ") for problem in problems if not problem["loc"]]
        raise SettingsError(" ".join(filter(None, sentences))) from None
    _ = settings.policy, settings.allow_list
    return settings


def refuse_placeholder(setting: str, value: str) -> None:
    """Refuse a secret that cannot be one.

    Raises:
        SettingsError: a placeholder, too short, or hardly varying; the message holds the setting's name alone.
    """
    if _PLACEHOLDER.search(value):
        raise SettingsError(f"{setting} holds a placeholder; put the real secret there.")
    if len(value) < MIN_SECRET_LENGTH:
        raise SettingsError(f"{setting} must have at least {MIN_SECRET_LENGTH} characters.")
    if len(set(value)) < 6:
        raise SettingsError(f"{setting} repeats itself; put the real secret there.")


def _setting(location: tuple[Any, ...]) -> str:
    return f"{PREFIX}{str(location[0]).upper()}"


def _listed(names: list[str]) -> str:
    told = [f"{name} (or {name}_FILE)" if name == "AGENT_SITE_KEY" else name for name in names]
    return f"{', '.join(told)} {'is' if len(told) == 1 else 'are'}"


def _text_of(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{setting} names a file that cannot be read.") from None


def _check_url(url: str, *, allow_plain: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise SettingsError("AGENT_CENTRAL_URL must be an address like https://central.example.org.")
    if parts.scheme == "http" and not allow_plain and not _is_loopback(parts.hostname):
        raise SettingsError(
            "AGENT_CENTRAL_URL would send the site key without TLS. Use https, or set AGENT_ALLOW_PLAIN_HTTP=true "
            "where the centre is in the same private container network."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_policy(path: Path) -> Policy | None:
    try:
        told = tomllib.loads(_text_of(path, "AGENT_POLICY_FILE"))
    except tomllib.TOMLDecodeError:
        raise SettingsError("AGENT_POLICY_FILE is not TOML.") from None
    unknown = set(told) - {"version", "k", "exact_event_counts"}
    k, exact, version = told.get("k"), told.get("exact_event_counts", False), str(told.get("version", "unversioned"))
    if unknown or not isinstance(exact, bool) or not (k is None or (type(k) is int and k >= SMALLEST_K)):
        raise SettingsError(
            f"AGENT_POLICY_FILE holds version, k (at least {SMALLEST_K}) and exact_event_counts, and nothing else."
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", version):
        raise SettingsError("AGENT_POLICY_FILE: a version is made of letters, digits, dots and dashes.")
    return None if k is None else Policy(k, exact, version)
