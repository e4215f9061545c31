"""The site's own key and the pinned ones: made once, kept from others, never changed in silence."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hospital_agent.federation.site_key import KEY_FILE, PINS_FILE, PinDiffers, PinnedSites, make_key, read_key
from shared.errors import SettingsError
from shared.federation.site_keys import fingerprint, key_as_text

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EAST, WEST = bytes(range(32)), bytes(range(1, 33))


class TestTheSitesOwnKey:
    def test_it_is_made_once(self, tmp_path: Path) -> None:
        key = make_key(tmp_path / "federation")
        again = make_key(tmp_path / "federation")
        assert again.private_bytes_raw() == key.private_bytes_raw()
        assert read_key(tmp_path / "federation").private_bytes_raw() == key.private_bytes_raw()
        assert make_key(tmp_path / "another").private_bytes_raw() != key.private_bytes_raw()

    def test_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        make_key(tmp_path)
        assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
        (tmp_path / KEY_FILE).chmod(0o640)
        with pytest.raises(SettingsError, match="read by others"):
            read_key(tmp_path)

    def test_without_one_it_says_how_to_make_it(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="hospital-agent federation key"):
            read_key(tmp_path)

    @pytest.mark.parametrize("damage", ["empty", "elliptic curve"])
    def test_what_is_no_such_key_is_refused_and_not_replaced(self, tmp_path: Path, damage: str) -> None:
        other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        content = other if damage == "elliptic curve" else b""
        (tmp_path / KEY_FILE).write_bytes(content)
        (tmp_path / KEY_FILE).chmod(0o600)
        with pytest.raises(SettingsError, match="site_key"):
            make_key(tmp_path)
        assert (tmp_path / KEY_FILE).read_bytes() == content


class TestPins:
    @pytest.fixture
    def pins(self, tmp_path: Path) -> PinnedSites:
        return PinnedSites(tmp_path)

    def test_nobody_is_pinned_at_first(self, pins: PinnedSites) -> None:
        assert dict(pins) == {}

    def test_pinning_is_seen_at_once_and_after_a_restart(self, pins: PinnedSites, tmp_path: Path) -> None:
        assert pins.pin("east", EAST, NOW) is None
        assert pins.pin("west", WEST, NOW) is None
        assert dict(pins) == dict(PinnedSites(tmp_path)) == {"east": EAST, "west": WEST}

    def test_pinning_the_same_again_changes_nothing(self, pins: PinnedSites, tmp_path: Path) -> None:
        pins.pin("east", EAST, NOW)
        before = (tmp_path / PINS_FILE).read_bytes()
        assert pins.pin("east", EAST, NOW) == EAST
        assert (tmp_path / PINS_FILE).read_bytes() == before

    def test_a_key_never_changes_in_silence(self, pins: PinnedSites, tmp_path: Path) -> None:
        pins.pin("east", EAST, NOW)
        with pytest.raises(PinDiffers) as caught:
            pins.pin("east", WEST, NOW)
        assert fingerprint(EAST) in str(caught.value)
        assert fingerprint(WEST) in str(caught.value)
        assert pins["east"] == EAST
        assert pins.pin("east", WEST, NOW, replace=True) == EAST
        assert dict(pins) == {"east": WEST}
        assert f"# until 2026-03-02T00:00:00Z: east {key_as_text(EAST)}" in (tmp_path / PINS_FILE).read_text()

    def test_one_key_is_not_pinned_for_two_sites(self, pins: PinnedSites) -> None:
        pins.pin("east", EAST, NOW)
        with pytest.raises(PinDiffers, match="'east'"):
            pins.pin("west", EAST, NOW, replace=True)
        assert dict(pins) == {"east": EAST}

    def test_a_site_can_be_let_go(self, pins: PinnedSites) -> None:
        pins.pin("east", EAST, NOW)
        assert pins.unpin("east", NOW)
        assert not pins.unpin("east", NOW)
        assert dict(pins) == {}
        assert pins.pin("east", WEST, NOW) is None

    @pytest.mark.parametrize(
        ("line", "number"),
        [
            ("east", 2), ("east not-a-key", 2), ("The-East " + key_as_text(EAST), 2), ("east a b c", 2),
            (f"east {key_as_text(EAST)}\neast {key_as_text(WEST)}", 3),
            (f"east {key_as_text(EAST)}\nwest {key_as_text(EAST)}", 3),
        ],
    )  # fmt: skip
    def test_a_file_that_cannot_be_understood_gives_nobody(self, tmp_path: Path, line: str, number: int) -> None:
        (tmp_path / PINS_FILE).write_text(f"# our partners\n{line}\n")
        with pytest.raises(SettingsError, match=f"Line {number} "):
            dict(PinnedSites(tmp_path))

    @pytest.mark.parametrize("name", ["", "The East", "east # x", "east\nwest"])
    def test_a_name_that_is_none_is_refused(self, pins: PinnedSites, name: str) -> None:
        with pytest.raises(SettingsError, match="name"):
            pins.pin(name, EAST, NOW)
        assert dict(pins) == {}

    def test_hexadecimal_digits_do_as_well(self, pins: PinnedSites, tmp_path: Path) -> None:
        (tmp_path / PINS_FILE).write_text(f"east {EAST.hex()}  # by telephone with Dr X\n")
        assert pins["east"] == EAST


def test_public_keys_are_what_other_sites_pin(tmp_path: Path) -> None:
    key: Ed25519PrivateKey = make_key(tmp_path)
    PinnedSites(tmp_path).pin("north", key.public_key().public_bytes_raw(), NOW)
    signature = key.sign(b"hello")
    Ed25519PublicKey.from_public_bytes(PinnedSites(tmp_path)["north"]).verify(signature, b"hello")
