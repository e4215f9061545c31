"""The doctor looks at federated work where it is set up, and says in a sentence what is missing."""

import sys
from pathlib import Path

import pytest

from hospital_agent.doctor import examine
from hospital_agent.federation.flower.node_key import make_node_key
from hospital_agent.federation.site_key import PinnedSites, make_key
from shared.clock import utc_now
from tests.agent_site import KEY, SmallCentral
from tests.model_folder import write_model

POLICY = 'partners = "pinned"\n[jobs.gaussian]\nallowed = true\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Path) -> pytest.MonkeyPatch:
    """A site where everything is right."""
    for folder in ("inbox", "images", "references"):
        (tmp_path / folder).mkdir()
    for file, content in {"policy.toml": POLICY, "ca.pem": "x", "images/a.nii.gz": "x"}.items():
        (tmp_path / file).write_text(content)
    make_node_key(tmp_path / "node_key")
    pinned = tmp_path / "data" / "federation"
    make_key(pinned)
    for number, site in enumerate(("east", "west")):
        PinnedSites(pinned).pin(site, bytes([number]) * 32, utc_now())
    for name, value in {
        "SITE": "north", "INBOX": tmp_path / "inbox", "DATA_DIR": tmp_path / "data", "SITE_KEY": KEY, "K": 5,
        "CENTRAL_URL": "http://127.0.0.1:1", "MODEL_DIR": model, "DEVICE": "cpu",
        "FEDERATION_SUPERLINK": "centre.example.org:9092", "FEDERATION_POLICY_FILE": tmp_path / "policy.toml",
        "FEDERATION_NODE_KEY": tmp_path / "node_key", "FEDERATION_CA_FILE": tmp_path / "ca.pem",
        "FEDERATION_IMAGES": tmp_path / "images", "FEDERATION_REFERENCES": tmp_path / "references",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AGENT_{name}", str(value))
    return monkeypatch


def told() -> dict[str, tuple[bool, str]]:
    found = examine(lambda settings: SmallCentral(utc_now).client())
    return {check.name: (check.ok, check.sentence) for check in found}


def problem() -> tuple[str, str]:
    (only,) = [(name, sentence) for name, (ok, sentence) in told().items() if not ok]
    return only


def test_a_site_that_is_set_up_has_no_problem(environment: pytest.MonkeyPatch) -> None:
    found = told()
    assert all(ok for ok, _ in found.values())
    assert found["federation partners"][1] == "east, west are pinned"
    assert found["federation policy"][1] == "allows gaussian"
    assert found["federation data"][1] == "1 images, 0 references"


def test_without_federated_work_nothing_is_said_of_it(environment: pytest.MonkeyPatch) -> None:
    for name in ("SUPERLINK", "POLICY_FILE"):
        environment.delenv(f"AGENT_FEDERATION_{name}")
    assert not [name for name in told() if name.startswith("federation")]


def test_without_the_extra_it_says_which(environment: pytest.MonkeyPatch) -> None:
    environment.setitem(sys.modules, "flwr", None)
    name, sentence = problem()
    assert (name, "segwatch[federation]" in sentence) == ("federation", True)


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ("data/federation/site_key", "federation key"),
        ("data/federation/pinned_sites", "federation partners"),
        ("policy.toml", "federation policy"),
        ("node_key", "federation link"),
        ("ca.pem", "federation link"),
    ],
)
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, tmp_path: Path, missing: str, name: str) -> None:
    (tmp_path / missing).unlink()
    assert problem()[0] == name


def test_a_folder_that_is_not_there(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AGENT_FEDERATION_REFERENCES", "/nowhere/at/all")
    assert problem() == ("federation data", "AGENT_FEDERATION_REFERENCES names no folder that can be read.")


def test_a_node_without_a_key_for_the_superlink(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AGENT_FEDERATION_NODE_KEY")
    assert "hospital-agent federation node-key" in problem()[1]


def test_a_job_that_does_not_exist_is_said(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[jobs.gausian]\nallowed = true\n")
    assert "no job gausian" in problem()[1]


def test_without_a_k_nothing_is_given_to_federated_work_either(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AGENT_K")
    assert "AGENT_K" in told()["federation policy"][1]
    assert not told()["federation policy"][0]
