"""Who this site is to the others, and who they are: its own key, and the keys of others that people compared by voice.

A pinned key is what keeps a server from putting itself between two sites. So nobody but a person at the site pins one,
and none changes in silence. Both lie in the folder `federation` of the data folder:

    site_key        Ed25519, PKCS 8 in PEM, readable by its owner alone; made once
    pinned_sites    a line a site: its name, its public key, the day; # begins a comment
"""

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import TypeAdapter, ValidationError

from shared.clock import rfc3339
from shared.errors import SettingsError
from shared.federation.errors import BrokenSiteKey
from shared.federation.site_keys import fingerprint, key_as_text, key_from_text
from shared.report import SiteName

KEY_FILE = "site_key"
PINS_FILE = "pinned_sites"
_NAME = TypeAdapter(SiteName)


class PinDiffers(SettingsError):
    """Another key is pinned for this site, or this key for another site; nothing was changed."""


def make_key(folder: Path) -> Ed25519PrivateKey:
    """The site's key; drawn at random where there is none yet, and never over one that there is.

    Raises:
        SettingsError: there is one that cannot be used.
    """
    path = folder / KEY_FILE
    if path.exists():
        return read_key(folder)
    key = Ed25519PrivateKey.generate()
    _written(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), fresh=True)
    return read_key(folder)


def read_key(folder: Path) -> Ed25519PrivateKey:
    """The site's key.

    Raises:
        SettingsError: there is none, others could read it, or it is no Ed25519 key.
    """
    path = folder / KEY_FILE
    if not path.exists():
        raise SettingsError("There is no federation key yet; make one with: hospital-agent federation key")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SettingsError("The federation's site_key can be read by others; chmod 600, or make a new one.")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        raise SettingsError("The federation's site_key cannot be read as a key.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("The federation's site_key is no Ed25519 key.")
    return key


class PinnedSites(Mapping[str, bytes]):
    """The other sites' public keys by name, read anew for each look.

    Args:
        folder: where `pinned_sites` lies; no file means no site.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PINS_FILE

    def __getitem__(self, site: str) -> bytes:
        return self._read()[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def pin(self, site: str, public: bytes, now: datetime, *, replace: bool = False) -> bytes | None:
        """Know a site by this key from now on; returns the key that it was known by before, None where by none.

        Args:
            replace: put it in the place of another key; the old line stays as a comment.

        Raises:
            PinDiffers: another key is pinned for the site and `replace` was not said, or the key is another site's.
            SettingsError: it is no name of a site, or the file cannot be used.
        """
        try:
            _NAME.validate_python(site)
        except ValidationError:
            raise SettingsError("A site's name is made of small letters, digits and dashes.") from None
        known = self._read()
        before = known.get(site)
        owner = next((name for name, key in known.items() if key == public and name != site), None)
        if owner is not None:
            raise PinDiffers(f"This key is pinned for site '{owner}'; each site makes its own. Nothing was changed.")
        if before == public:
            return before
        if before is not None and not replace:
            raise PinDiffers(
                f"Site '{site}' is pinned with the key {fingerprint(before)}, and this one is {fingerprint(public)}. "
                "Nothing was changed. Call the site; if it really made a new key, say --replace."
            )
        kept = [f"# until {rfc3339(now)}: {line}" if _site_of(line) == site else line for line in self._lines()]
        self._write([*kept, f"{site} {key_as_text(public)} # {rfc3339(now)}"])
        return before

    def unpin(self, site: str, now: datetime) -> bool:
        """Sum with this site no longer; False where it was not pinned."""
        if site not in self._read():
            return False
        self._write([f"# until {rfc3339(now)}: {line}" if _site_of(line) == site else line for line in self._lines()])
        return True

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError):
            raise SettingsError("The federation's file pinned_sites cannot be read.") from None

    def _read(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for number, line in enumerate(self._lines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                site, text = words
                key = key_from_text(text)
                _NAME.validate_python(site)
            except (ValueError, BrokenSiteKey):
                raise SettingsError(
                    f"Line {number} of pinned_sites is not a site's name and its public key; nothing is given."
                ) from None
            if site in found or key in found.values():
                raise SettingsError(f"Line {number} of pinned_sites names a site or a key again; nothing is given.")
            found[site] = key
        return found

    def _write(self, lines: list[str]) -> None:
        _written(self._path, "".join(f"{line}\n" for line in lines).encode())


def _site_of(line: str) -> str | None:
    words = line.partition("#")[0].split()
    return words[0] if words else None


def _written(path: Path, content: bytes, *, fresh: bool = False) -> None:
    """Whole or not at all, for its owner alone, on disk when this returns; `fresh` refuses to replace a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        os.link(partial, path)  # fails where another program was faster
        partial.unlink()
    else:
        partial.replace(path)
