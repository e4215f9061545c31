"""Settings of the SuperLink, from environment variables `CENTRAL_FEDERATION_...`."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import SettingsError

PREFIX = "CENTRAL_FEDERATION_"


class SuperLinkSettings(BaseSettings):
    """Everything that a centre may choose about its SuperLink.

    Args:
        folder: what has to outlive a restart: the SuperLink's database, which node is which site, and the certificates
            that `central-server federation certificates` makes. For its owner alone.
        host, port: where sites are listened to; always TLS, and only with registered node keys.
        control_port, tasks_port: for this centre's own programs; on loopback alone, since Flower asks nobody who they
            are there.
        certificate, key, ca: PEM files of the hospital's own: the chain, its key, and the authority. All or none.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    folder: Path = Path("run/federation")
    host: str = "0.0.0.0"  # noqa: S104 - sites come from elsewhere; TLS and node keys keep everybody else out
    port: int = Field(default=9092, ge=1, le=65535)
    control_port: int = Field(default=9093, ge=1, le=65535)
    tasks_port: int = Field(default=9091, ge=1, le=65535)
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    @property
    def certificate_files(self) -> tuple[Path, Path, Path]:
        """Certificate, key and authority.

        Raises:
            SettingsError: only some are named, or one is no file.
        """
        given = (self.certificate, self.key, self.ca)
        files = tuple(path for path in given if path is not None)
        if not files:
            files = (self.folder / "server.pem", self.folder / "server_key.pem", self.folder / "ca.pem")
            if not all(path.is_file() for path in files):
                raise SettingsError(
                    "CENTRAL_FEDERATION_FOLDER holds no certificates; `central-server federation certificates` makes "
                    "them."
                )
        if len(files) != len(given) or not all(path.is_file() for path in files):
            raise SettingsError(
                "CENTRAL_FEDERATION_CERTIFICATE, _KEY and _CA name three files that exist, or are all left out."
            )
        certificate, key, authority = files
        return certificate, key, authority


def load_superlink_settings(**overrides: Any) -> SuperLinkSettings:
    """Settings from the environment.

    Raises:
        SettingsError: names each that cannot be used.
    """
    try:
        return SuperLinkSettings(**overrides)
    except ValidationError as error:
        wrong = sorted({f"{PREFIX}{str(problem['loc'][0]).upper()}" for problem in error.errors()})
        raise SettingsError(f"{', '.join(wrong)}: unusable.") from None
