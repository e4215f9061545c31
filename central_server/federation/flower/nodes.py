"""Which node is which site.

Written by the centre when it registers a node's key, so a site cannot say that it is another one. Kept beside the
SuperLink's database, whose numbers of the nodes it holds: lost or restored together.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from central_server.federation.flower.control import Control
from central_server.federation.flower.errors import NodeKeyRefused, UnknownNode

FILE_NAME = "nodes.json"
_SITE = re.compile(r"[a-z][a-z0-9-]{1,39}")


def nodes_by_site(folder: Path) -> dict[str, int]:
    """The node of each site; empty where none was registered."""
    try:
        told = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {site: int(node) for site, node in told.items() if _SITE.fullmatch(site)}


def register_node(control: Control, folder: Path, site: str, public_key: str) -> bool:
    """Let a site's node in. Another key that it had before ends.

    Args:
        public_key: PEM, as `hospital-agent federation node-key` prints it.

    Returns:
        Whether anything changed.

    Raises:
        NodeKeyRefused: no ECDSA key on P-384, or another site's.
        SuperLinkAway, SuperLinkRefused: as Control.
    """
    pem = _checked(public_key)
    known = nodes_by_site(folder)
    holder = next((node.node_id for node in control.nodes() if node.public_key == pem), None)
    if holder is not None and holder == known.get(site):
        return False
    if holder is not None and holder in known.values():
        raise NodeKeyRefused("This key is another site's; each site makes its own.")
    before = known.get(site)
    _write(folder, {**known, site: control.register(pem) if holder is None else holder})
    if before is not None and before in {node.node_id for node in control.nodes()}:
        control.unregister(before)
    return True


def unregister_node(control: Control, folder: Path, site: str) -> None:
    """Let a site's node in no more.

    Raises:
        UnknownNode: it has none.
    """
    known = nodes_by_site(folder)
    if site not in known:
        raise UnknownNode(f"No node is registered for site '{site}'.")
    if known[site] in {node.node_id for node in control.nodes()}:
        control.unregister(known[site])
    _write(folder, {name: node for name, node in known.items() if name != site})


def _checked(public_key: str) -> bytes:
    try:
        key = serialization.load_pem_public_key(public_key.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise NodeKeyRefused("This is no public key in PEM; `hospital-agent federation node-key` prints it.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise NodeKeyRefused("This key is not ECDSA on P-384.")
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _write(folder: Path, nodes: Mapping[str, int]) -> None:
    new = folder / f"{FILE_NAME}.new"
    with new.open("w", encoding="utf-8") as handle:
        json.dump(dict(sorted(nodes.items())), handle, indent=2)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(folder / FILE_NAME)
