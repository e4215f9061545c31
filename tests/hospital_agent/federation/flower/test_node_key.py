"""The key of a node is made once, can be read by its owner alone, and is one that Flower takes."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, uses_nist_ec_curve
from typer.testing import CliRunner

from hospital_agent.cli import app
from hospital_agent.federation.flower.errors import NodeKeyUnusable
from hospital_agent.federation.flower.node_key import load_node_key, make_node_key, public_half


def test_a_key_that_was_made_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "federation" / "node_key.pem"
    made = make_node_key(path)
    assert public_half(load_node_key(path)) == public_half(made)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    make_node_key(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(NodeKeyUnusable):
        make_node_key(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before


def test_flower_takes_the_public_half(tmp_path: Path) -> None:
    assert uses_nist_ec_curve(bytes_to_public_key(public_half(make_node_key(tmp_path / "key")).encode()))


def test_a_key_of_ssh_keygen_is_read(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    encoding, no_passphrase = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "key").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.OpenSSH, no_passphrase))
    assert public_half(load_node_key(tmp_path / "key")) == public_half(key)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate(), b"nonsense", None]
)
def test_what_is_no_key_of_ours_is_refused(tmp_path: Path, key: object) -> None:
    path = tmp_path / "key"
    if isinstance(key, bytes):
        path.write_bytes(key)
    elif key is not None:
        assert isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
        encoding, no_passphrase = serialization.Encoding.PEM, serialization.NoEncryption()
        path.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_passphrase))
    with pytest.raises(NodeKeyUnusable):
        load_node_key(path)


def test_the_command_prints_the_same_public_half_each_time(tmp_path: Path) -> None:
    def printed() -> str:
        told = CliRunner().invoke(app, ["federation", "node-key", "--data-dir", str(tmp_path)])
        assert told.exit_code == 0
        return told.stdout

    assert printed() == printed() == public_half(load_node_key(tmp_path / "federation" / "node_key.pem"))
