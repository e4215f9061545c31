"""A packet survives the way through a message of Flower, and the bundle that names the protocol holds no code."""

import io
import zipfile

import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.common.config import get_fab_config
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

from shared.federation import flower
from shared.federation.errors import BrokenMessage
from shared.federation.messages import Packet


@pytest.mark.parametrize("size", [0, 1, flower.PIECE_BYTES, flower.PIECE_BYTES + 1])
def test_a_packet_comes_out_as_it_went_in(size: int) -> None:
    packet = Packet("sum_step", bytes(range(256)) * (size // 256) + bytes(size % 256))
    assert flower.packet_of(flower.record_of(packet)) == packet


def test_a_large_body_travels_in_pieces() -> None:
    content = flower.record_of(Packet("sum_step", bytes(2 * flower.PIECE_BYTES + 1)))
    sizes = [len(one.deflate()) for one in get_all_nested_objects(content).values()]
    assert len(sizes) == 5 - 1  # the record, its head, and pieces, of which the two equal ones are one object
    assert max(sizes) < flower.PIECE_BYTES + 1000


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"packet": ConfigRecord({"kind": "plan"})},
        {"packet": ConfigRecord({"kind": "plan", "pieces": 1})},
        {"packet": ConfigRecord({"kind": "plan", "pieces": True}), "0": ConfigRecord({"body": b"x"})},
        {"packet": ConfigRecord({"kind": "plan", "pieces": -1})},
        {"packet": ConfigRecord({"kind": "plan", "pieces": 2**62})},
        {"packet": ConfigRecord({"kind": 3, "pieces": 0})},
        {"packet": ConfigRecord({"kind": "plan", "pieces": 1}), "0": ConfigRecord({"body": "text"})},
        {"packet": ConfigRecord({"kind": "plan", "pieces": 0}), "0": ConfigRecord({"body": b"x"})},
    ],
)
def test_what_is_no_packet_is_refused(content: dict[str, ConfigRecord]) -> None:
    with pytest.raises(BrokenMessage):
        flower.packet_of(RecordDict(content))


def test_the_bundle_is_one_that_flower_takes_and_holds_no_code() -> None:
    config = get_fab_config(flower.app_bundle())
    assert config["tool"]["flwr"]["app"]["config"] == {flower.RUN: ""}
    names = zipfile.ZipFile(io.BytesIO(flower.app_bundle())).namelist()
    assert names == ["pyproject.toml", ".info/CONTENT"]


def test_the_bundle_is_the_same_bytes_wherever_it_is_made() -> None:
    # Changes with the protocol alone: then sites and centre of different versions refuse each other.
    assert flower.app_hash() == "c868a7da8d416e7ef6429b791fc75ec8c79f33b6ee17a302f4e220ee09d52c72"
