"""The key by which the SuperLink knows a node: ECDSA on P-384, as Flower asks for.

It opens the door and nothing else. What a site says in a secure sum is signed with its site key
(`federation.site_key`), which the other sites pin; the SuperLink never sees that one used for anything of its own.
"""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hospital_agent.federation.flower.errors import NodeKeyUnusable
from hospital_agent.settings import Settings

FILE_NAME = "node_key.pem"  # in the site's folder for federated work, unless a setting names another


def node_key_path(settings: Settings) -> Path:
    """Where the node key of these settings lies."""
    return settings.federation_node_key or settings.federation_dir / FILE_NAME


def make_node_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a key in a new file that its owner alone can read.

    Raises:
        NodeKeyUnusable: the file exists already, or cannot be written.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        raise NodeKeyUnusable("The file for the node key exists already or cannot be made.") from None
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(pem)
    return key


def load_node_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a PEM file, PKCS 8 or as `ssh-keygen` writes it.

    Raises:
        NodeKeyUnusable: there is none, or it is no ECDSA key on P-384.
    """
    try:
        content = path.read_bytes()
        load = serialization.load_ssh_private_key if b"OPENSSH" in content[:40] else serialization.load_pem_private_key
        key = load(content, None)
    except OSError:
        raise NodeKeyUnusable("There is no node key; `hospital-agent federation node-key` makes one.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NodeKeyUnusable("The node key cannot be read; it must be PEM without a passphrase.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise NodeKeyUnusable("The node key is not an ECDSA key on P-384.")
    return key


def public_half(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half as PEM, which the centre registers."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
