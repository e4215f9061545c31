"""How a packet travels in a message of Flower, and the app bundle by which both ends know that they mean the same.

Flower ships the code of a job to whoever computes it: a run names a bundle (FAB), and nodes unpack and run it. Ours
holds no code at all, and neither end unpacks one. It only says which protocol a run speaks; its hash is what the site
compares before it reads a message, and the centre before it leads a run. Byte for byte the same wherever it is made:
fixed times, nothing compressed.

Needs the `federation` extra.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from shared.federation.errors import BrokenMessage
from shared.federation.messages import Packet

if TYPE_CHECKING:
    from flwr.app import RecordDict

PROTOCOL = 1  # of the packets and their kinds; an end of another version refuses the run
RUN = "run"  # the key in the run's configuration under which the centre finds its own run id
PIECE_BYTES = 8 * 1024 * 1024  # each piece is one request: a slow line loses one of them, not the whole vector
_HEAD = "packet"
_PYPROJECT = f"""\
[project]
name = "segwatch-federation"
version = "{PROTOCOL}.0.0"
description = "Names the protocol of SegWatch's federated runs; holds no code."

[tool.flwr.app]
publisher = "segwatch"

[tool.flwr.app.components]
serverapp = "nothing.to.load:app"
clientapp = "nothing.to.load:app"

[tool.flwr.app.config]
{RUN} = ""
"""


@cache
def app_bundle() -> bytes:
    """The bundle (FAB) of this version."""
    project = _PYPROJECT.encode()
    content = f"pyproject.toml,{hashlib.sha256(project).hexdigest()},{8 * len(project)}".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as bundle:
        for name, data in (("pyproject.toml", project), (".info/CONTENT", content)):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # on every system the same byte
            bundle.writestr(entry, data)
    return buffer.getvalue()


@cache
def app_hash() -> str:
    """SHA-256 of the bundle, as Flower tells it."""
    return hashlib.sha256(app_bundle()).hexdigest()


def record_of(packet: Packet) -> "RecordDict":
    """The packet as the content of a message: its kind, and its body in pieces."""
    from flwr.app import ConfigRecord, RecordDict

    pieces = [packet.body[start : start + PIECE_BYTES] for start in range(0, len(packet.body), PIECE_BYTES)]
    records = {str(number): ConfigRecord({"body": piece}) for number, piece in enumerate(pieces)}
    return RecordDict({_HEAD: ConfigRecord({"kind": packet.kind, "pieces": len(pieces)}), **records})


def packet_of(content: "RecordDict") -> Packet:
    """The packet in the content of a message.

    Raises:
        BrokenMessage: it holds none.
    """
    from flwr.app import ConfigRecord

    head = content.get(_HEAD)
    if not isinstance(head, ConfigRecord) or head.keys() != {"kind", "pieces"}:
        raise BrokenMessage("A message of Flower holds no packet of ours.")
    kind, count = head["kind"], head["pieces"]
    if not isinstance(kind, str) or not isinstance(count, int) or isinstance(count, bool) or count != len(content) - 1:
        raise BrokenMessage("A packet in a message of Flower is not whole.")
    if set(content) != {_HEAD, *map(str, range(count))}:
        raise BrokenMessage("A packet in a message of Flower is not whole.")
    return Packet(kind, b"".join(_bodies(content[str(number)] for number in range(count))))


def _bodies(records: Iterable[object]) -> Iterable[bytes]:
    from flwr.app import ConfigRecord

    for record in records:
        body = record.get("body") if isinstance(record, ConfigRecord) else None
        if not isinstance(body, bytes):
            raise BrokenMessage("A piece of a packet in a message of Flower is not bytes.")
        yield body


def keep_flower_quiet() -> None:
    """Have Flower send no statistics, look for no update, and write only warnings. Before the first import of it."""
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
    os.environ.setdefault("FLWR_LOG_LEVEL", "WARNING")
