"""A site put together from its settings, and the commands that make what it needs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hospital_agent.federation.assembly import federation_site
from hospital_agent.federation.policy import EXAMPLE
from hospital_agent.settings import Settings
from hospital_agent.store.database import Store
from shared.errors import SettingsError
from shared.federation.messages import Opening, Packet, Refusal
from tests.agent_site import KEY

RUN = "ab" * 16


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "inbox").mkdir()
    return Settings(
        site="north", inbox=tmp_path / "inbox", data_dir=tmp_path / "data", central_url="https://c.example.org",
        site_key=SecretStr(KEY), k=5,
    )  # fmt: skip


def opening(job: str) -> Packet:
    return Opening.made(RUN, job, {}, ()).packet()


class TestTheSite:
    def test_it_needs_a_key(self, settings: Settings) -> None:
        with pytest.raises(SettingsError, match="hospital-agent federation key"):
            federation_site(settings)

    def test_without_a_policy_it_answers_and_gives_nothing(self, settings: Settings, run: Any) -> None:
        run("federation", "key", "--data-dir", settings.data_dir)
        answer = federation_site(settings).answer(opening("histograms"))
        refusal = Refusal.of(answer)
        assert (refusal.site, refusal.run) == ("north", RUN)
        assert refusal.reason != "internal"

    def test_a_store_of_another_site_is_refused(self, settings: Settings, run: Any) -> None:
        run("federation", "key", "--data-dir", settings.data_dir)
        federation_site(settings)
        with pytest.raises(SettingsError, match="'north'"):
            federation_site(settings.model_copy(update={"site": "south"}))

    def test_pins_that_cannot_be_read_are_said_at_the_start(self, settings: Settings, run: Any) -> None:
        run("federation", "key", "--data-dir", settings.data_dir)
        (settings.federation_dir / "pinned_sites").write_text("???\n")
        with pytest.raises(SettingsError, match="Line 1"):
            federation_site(settings)

    def test_an_unknown_job_is_refused_by_name(self, settings: Settings, run: Any) -> None:
        run("federation", "key", "--data-dir", settings.data_dir)
        file = settings.data_dir / "policy.toml"
        file.write_text("[jobs.everything]\nallowed = true\n")
        site = federation_site(settings.model_copy(update={"federation_policy_file": file}))
        assert Refusal.of(site.answer(opening("everything"))).reason == "unknown_name"
        assert Refusal.of(site.answer(opening("histograms"))).reason == "not_allowed"

    def test_a_store_that_is_open_is_used(self, settings: Settings, run: Any) -> None:
        run("federation", "key", "--data-dir", settings.data_dir)
        store = Store.open(settings.data_dir)
        federation_site(settings, store=store)
        assert store.fact("site") == "north"
        store.close()


class TestCommands:
    def test_the_key_is_made_once_and_read_out(self, run: Any, tmp_path: Path) -> None:
        first, second = (run("federation", "key", "--data-dir", tmp_path) for _ in range(2))
        assert first.json == second.json
        assert ("made a key" in first.err, "made a key" in second.err) == (True, False)
        assert len(first.json["public_key"]) == 44

    def test_a_partner_is_pinned_listed_and_let_go(self, run: Any, tmp_path: Path) -> None:
        told = run("federation", "key", "--data-dir", tmp_path / "east").json
        pinned = run("federation", "pin", "east", told["public_key"], "--data-dir", tmp_path / "north")
        assert pinned.json == {"site": "east", "fingerprint": told["fingerprint"]}
        assert run("federation", "pins", "--data-dir", tmp_path / "north").json == {"east": told["fingerprint"]}
        assert run("federation", "unpin", "east", "--data-dir", tmp_path / "north").code == 0
        assert run("federation", "unpin", "east", "--data-dir", tmp_path / "north").code == 2

    def test_a_changed_key_must_be_said_to_be_one(self, run: Any, tmp_path: Path) -> None:
        old, new = (run("federation", "key", "--data-dir", tmp_path / name).json for name in ("old", "new"))
        pin = ("federation", "pin", "east")
        run(*pin, old["public_key"], "--data-dir", tmp_path)
        refused = run(*pin, new["public_key"], "--data-dir", tmp_path)
        assert refused.code == 2
        assert old["fingerprint"] in refused.err
        replaced = run(*pin, new["public_key"], "--data-dir", tmp_path, "--replace")
        assert replaced.json["fingerprint"] == new["fingerprint"]
        assert old["fingerprint"] in replaced.err

    def test_what_is_no_key_is_refused(self, run: Any, tmp_path: Path) -> None:
        assert run("federation", "pin", "east", "abc", "--data-dir", tmp_path).code != 0

    def test_the_policy_is_shown_as_it_is_read(self, run: Any, tmp_path: Path) -> None:
        example = run("federation", "policy", "--example")
        assert example.out == EXAMPLE
        (tmp_path / "policy.toml").write_text(example.out)
        told = json.loads(run("federation", "policy", "--file", tmp_path / "policy.toml").out)
        assert told["jobs"]["histograms"] == {
            "allowed": True, "smallest_cohort": 4, "partners": "pinned", "most_numbers": 1000000,
        }  # fmt: skip
        assert run("federation", "policy").code == 2


@pytest.mark.parametrize("command", [("pins", "--data-dir", "/nowhere/at/all"), ("policy", "--example"), ("versions",)])
def test_without_the_extra_each_command_says_so(
    run: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    done = run("federation", *command)
    assert done.code == 2
    assert "segwatch[federation]" in done.err


def test_nothing_of_federated_work_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, hospital_agent.cli, hospital_agent.doctor, hospital_agent.worker\n"
        "sys.exit(bool({'flwr', 'grpc', 'cryptography', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
