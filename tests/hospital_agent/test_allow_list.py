"""The site's allow-list: hashes as `sha256sum` prints them, from three places, and nothing else."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from hospital_agent.allow_list import NOBODY, AllowList, ModelFiles
from hospital_agent.analysis.errors import ModelMismatch
from shared.errors import SettingsError

A, B, C = (hashlib.sha256(word).hexdigest() for word in (b"a", b"b", b"c"))


def test_the_three_places_add_up(tmp_path: Path) -> None:
    (tmp_path / "allowed_models").write_text(f"# from the vendor\n{B.upper()}  # lungs\n\n")
    allowed = AllowList.of_site(f" {A}, ", tmp_path) | AllowList.of([C])
    assert [digest in allowed for digest in (A, B, C)] == [True] * 3
    assert hashlib.sha256(b"d").hexdigest() not in allowed


def test_without_anything_nothing_is_allowed(tmp_path: Path) -> None:
    assert AllowList.of_site("", tmp_path) == AllowList.of_site("", None) == NOBODY
    assert A not in NOBODY
    assert "" not in NOBODY


@pytest.mark.parametrize("told", ["yes!", A[:-1], A + "0", "**", f"{A};{B}"])
def test_what_is_no_hash_is_refused_with_its_place_and_without_its_value(told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AGENT_ALLOWED_MODELS holds") as refused:
        AllowList.of_site(told, None)
    assert told not in str(refused.value)
    (tmp_path / "allowed_models").write_text(told)
    with pytest.raises(SettingsError, match="file allowed_models in AGENT_DATA_DIR holds"):
        AllowList.of_site("", tmp_path)
    with pytest.raises(SettingsError, match="--allow holds"):
        AllowList.of([told])


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "allowed_models").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="allowed_models"):
        AllowList.of_site("", tmp_path)


def test_the_hash_is_what_sha256sum_says(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "model.ts").write_bytes(b"one")
    (tmp_path / "sub" / "a.json").write_bytes(b"two")
    alone = ModelFiles.read(tmp_path, ["model.ts"])
    both = ModelFiles.read(tmp_path, ["sub/a.json", "model.ts"])
    printed = subprocess.run(["sha256sum", "model.ts", "sub/a.json"], cwd=tmp_path, capture_output=True, check=True)
    assert alone.digest == printed.stdout.split()[0].decode()
    assert both.digest == hashlib.sha256(printed.stdout).hexdigest()


def test_one_changed_byte_or_another_name_is_another_model(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    files = ModelFiles.read(tmp_path, ["a", "b"])
    files.check(files.digest)
    files.check(None)
    (tmp_path / "b").write_bytes(b"onf")
    changed = ModelFiles.read(tmp_path, ["a", "b"])
    with pytest.raises(ModelMismatch):
        changed.check(files.digest)
    assert ModelFiles(files.name, {"a": b"one", "c": b"one"}).digest != files.digest


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch, match=r"plans\.json"):
        ModelFiles.read(tmp_path, ["plans.json"])


def test_the_refusal_says_the_hash_and_what_to_do() -> None:
    files = ModelFiles("model.ts", {"model.ts": b"one"})
    told = str(files.refusal("It is a program."))
    assert told.count(files.digest) == 2
    assert all(word in told for word in ("--allow", "allowed_models", "AGENT_ALLOWED_MODELS", "It is a program."))
