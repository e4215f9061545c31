"""What the compose files promise: who starts, with which rights, secrets, ports and settings."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from central_server.federation.flower.settings import SuperLinkSettings
from central_server.settings import Settings as CentralSettings
from dashboard.settings import Settings as DashboardSettings
from hospital_agent.settings import Settings as AgentSettings
from tests.compose_files import COMPOSE, GPU, OURS, ROOT, TOOLS, read, services, tool_works

SERVICES = services()
ENDS_BY_ITSELF = {"central-migrate"}
SETTINGS: Mapping[str, tuple[str, type[BaseSettings]]] = {
    "federation-node": ("AGENT_", AgentSettings),
    "superlink": ("CENTRAL_FEDERATION_", SuperLinkSettings),
    "hospital-agent": ("AGENT_", AgentSettings),
    "central-server": ("CENTRAL_", CentralSettings),
    "central-migrate": ("CENTRAL_", CentralSettings),
    "dashboard": ("DASHBOARD_", DashboardSettings),
}
# What the file leaves out on purpose. A secret comes from its `_FILE` alone; a file of the site's own needs a mount
# as well and so an override file (docs/operations.md); TLS is ended by the proxy.
SECRET_VALUES = {"site_key", "database_password", "lead_password", "site_keys", "api_tokens", "session_secret"}
PROXY = {"HTTPS_PROXY", "NO_PROXY"}  # read by the agent's HTTP client, the only program that dials out of its machine
KEPT_IN_THE_DATABASE = {"site_keys_file"}  # `central-server sites add` gives a site its key and stores the hash alone
FEDERATION = {"federation_superlink", "federation_ca_file", "federation_policy_file"}  # of `federation-node` alone
IN_THE_DATA_FOLDER = {"federation_node_key"}  # `hospital-agent federation node-key` makes it
ON_LOOPBACK = {"control_port", "tasks_port"}  # inside the SuperLink's own container, where nothing else listens
NEEDS_A_MOUNT = {
    "federation_images",
    "federation_references",
    "certificate",
    "key",
    "ca",
    "central_ca",
    "policy_file",
    "model_dir",
    "tls_certificate",
    "tls_key",
    "ca_file",
}


def test_the_profile_federation_starts_the_superlink_and_a_node() -> None:
    found = {name for name, service in SERVICES.items() if service.get("profiles") == ["federation"]}
    assert found == {"superlink", "federation-node"}


def test_a_site_that_names_its_two_programs_starts_nothing_of_the_centre() -> None:
    assert "depends_on" not in SERVICES["hospital-agent"]
    assert "depends_on" not in SERVICES["federation-node"]


def test_a_node_has_the_agents_settings_and_data_but_no_port_and_no_inbox() -> None:
    node, agent = SERVICES["federation-node"], SERVICES["hospital-agent"]
    assert node["environment"].keys() == agent["environment"].keys() | {f"AGENT_{name.upper()}" for name in FEDERATION}
    assert node["volumes"] == ["agent-data:/var/lib/segwatch"]
    assert "ports" not in node
    assert node["networks"] == ["federation"]


def test_a_site_starts_the_agent_alone() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["hospital-agent"]


def test_the_profile_central_starts_postgres_server_and_dashboard() -> None:
    centre = {name for name, service in SERVICES.items() if service.get("profiles") == ["central"]}
    assert centre == {"postgres", "central-migrate", "central-server", "dashboard"}


@pytest.mark.parametrize("name", ["hospital-agent", "federation-node"])
def test_a_centre_without_a_hospital_can_leave_the_agent_out(name: str) -> None:
    assert SERVICES[name]["deploy"] == {"replicas": "${SEGWATCH_AGENTS:-1}"}


def test_the_dashboard_alone_named_brings_the_centre_and_no_agent() -> None:
    wanted, found = ["dashboard"], set()
    while wanted:
        name = wanted.pop()
        found.add(name)
        wanted.extend(SERVICES[name].get("depends_on", {}))
    assert found == {"dashboard", "central-server", "central-migrate", "postgres"}


def test_nothing_starts_before_what_it_needs_is_healthy_or_done() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ENDS_BY_ITSELF else "service_healthy"
            assert how == {"condition": wanted}


def test_the_tables_are_there_before_the_server_starts() -> None:
    assert SERVICES["central-migrate"]["command"] == ["migrate"]
    for name in ("central-server", "superlink"):
        assert SERVICES["central-migrate"]["image"] == SERVICES[name]["image"]
        assert {"postgres", "central-migrate"} <= SERVICES[name]["depends_on"].keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_right_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    uid, gid = service["user"].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    forbidden = {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "userns_mode", "extra_hosts"}
    assert not forbidden & service.keys()


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ENDS_BY_ITSELF))
def test_a_lasting_service_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_cannot_take_the_whole_machine(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "pids_limit"} <= service.keys()
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()
    assert all("size=" in mount and "noexec" in mount for mount in service["tmpfs"] if mount.startswith("/tmp:"))  # noqa: S108


def test_no_service_sees_the_engine_or_the_machines_folders() -> None:
    assert "docker.sock" not in COMPOSE.read_text() + GPU.read_text()
    mounts = {name: service.get("volumes", []) for name, service in SERVICES.items()}
    bound = {name: [m for m in listed if isinstance(m, dict) or m[0] in "./~$"] for name, listed in mounts.items()}
    assert [m["target"] for m in bound.pop("hospital-agent")] == ["/inbox"]
    assert not any(bound.values())


def test_ports_are_on_loopback_unless_the_site_says_otherwise() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"central-server", "dashboard", "superlink"}
    # The proxy that ends TLS is on the same machine; the SuperLink ends it itself and has a variable of its own.
    (superlink,) = published.pop("superlink")
    assert superlink.startswith("${SEGWATCH_SUPERLINK_BIND:-127.0.0.1}:")
    assert all(port.startswith("${SEGWATCH_BIND:-127.0.0.1}:") for ports in published.values() for port in ports)


def test_the_database_can_be_reached_by_the_server_alone_and_reaches_nothing() -> None:
    on_it = {name for name, service in SERVICES.items() if "database" in service["networks"]}
    assert on_it == {"postgres", "central-migrate", "central-server", "superlink"}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert read()["networks"]["database"] == {"internal": True}


def test_the_agent_and_the_dashboard_share_no_network() -> None:
    assert not set(SERVICES["hospital-agent"]["networks"]) & set(SERVICES["dashboard"]["networks"])


def test_secrets_are_files_and_an_agent_needs_at_most_two() -> None:
    declared = read()["secrets"]
    assert all(source.keys() == {"file"} for source in declared.values())
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == declared.keys()
    assert len(SERVICES["hospital-agent"]["secrets"]) <= 2


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_handed_over_by_the_name_of_its_file(name: str) -> None:
    service = SERVICES[name]
    told = {v for k, v in service["environment"].items() if k.endswith("_FILE")}
    assert told == {f"/run/secrets/{secret}" for secret in service["secrets"]}
    secret_words = ("KEY", "KEYS", "PASSWORD", "SECRET", "TOKENS")
    assert not [key for key in service["environment"] if key.endswith(secret_words)]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_is_a_setting_that_exists(name: str) -> None:
    prefix, settings = SETTINGS[name]
    known = {f"{prefix}{field.upper()}" for field in settings.model_fields}
    known |= PROXY if prefix == "AGENT_" else set()
    known |= {f"CENTRAL_{field.upper()}" for field in CentralSettings.model_fields} if name == "superlink" else set()
    assert SERVICES[name]["environment"].keys() <= known


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - ENDS_BY_ITSELF))
def test_every_setting_can_be_set_or_is_left_out_on_purpose(name: str) -> None:
    prefix, settings = SETTINGS[name]
    given = {key.removeprefix(prefix).lower() for key in SERVICES[name]["environment"]}
    left_out = SECRET_VALUES | NEEDS_A_MOUNT | KEPT_IN_THE_DATABASE | IN_THE_DATA_FOLDER | ON_LOOPBACK
    left_out |= FEDERATION if name == "hospital-agent" else set()
    assert settings.model_fields.keys() - given <= left_out


def test_the_servers_health_check_asks_for_the_port_that_it_listens_on() -> None:
    for name, port in (("central-server", "CENTRAL_PORT"), ("dashboard", "DASHBOARD_PORT")):
        service = SERVICES[name]
        inside = service["environment"][port]
        assert f":{inside}/" in service["healthcheck"]["test"][-1]
        assert [published.rsplit(":", 1)[1] for published in service["ports"]] == [inside]


def test_images_carry_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, folder in OURS.items():
        assert SERVICES[name]["image"] == f"segwatch/{name}:${{SEGWATCH_VERSION:-{version}}}"
        build = dict(SERVICES[name]["build"])
        arguments = build.pop("args", {})
        assert build == {"context": ".", "dockerfile": f"{folder}/Dockerfile"}
        assert arguments == ({"AGENT_EXTRAS": "${SEGWATCH_AGENT_EXTRAS:-}"} if name == "hospital-agent" else {})


def test_the_gpu_file_adds_one_device_and_the_cuda_build_to_the_agent_alone() -> None:
    changed = read(GPU)
    assert changed.keys() == {"services"}
    assert changed["services"].keys() == {"hospital-agent"}
    agent = changed["services"]["hospital-agent"]
    (device,) = agent["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    argument = next(iter(agent["build"]["args"]))
    assert f"ARG {argument}=" in (ROOT / "hospital_agent" / "Dockerfile").read_text()
    assert agent["image"] != SERVICES["hospital-agent"]["image"]


def _schema_check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("path", [COMPOSE, GPU], ids=lambda path: path.name)
def test_the_file_keeps_to_the_compose_specification(path: Path) -> None:
    checked = _schema_check(path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_check_against_the_specification_finds_a_misspelled_key(tmp_path: Path) -> None:
    wrong = read()
    wrong["services"]["dashboard"]["read_onyl"] = wrong["services"]["dashboard"].pop("read_only")
    (tmp_path / "wrong.yml").write_text(yaml.safe_dump(wrong))
    checked = _schema_check(tmp_path / "wrong.yml")
    assert checked.returncode == 1
    assert "read_onyl" in checked.stdout + checked.stderr


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("extra", [[], ["-f", "docker-compose.gpu.yml"]], ids=["cpu", "gpu"])
def test_compose_itself_accepts_the_files(tool: str, extra: list[str], tmp_path: Path) -> None:
    seen = _config(tool, tmp_path, [*extra, "--profile", "central", "--profile", "federation"])
    assert seen["services"].keys() == SERVICES.keys()
    assert seen["services"]["dashboard"]["read_only"] is True
    reserved = seen["services"]["hospital-agent"].get("deploy", {}).get("resources", {}).get("reservations")
    assert bool(reserved) == bool(extra)
    # What the site does not set is absent. An empty text would be refused, and an empty k is not "nothing leaves".
    assert seen["services"]["hospital-agent"]["environment"].get("AGENT_K") is None


def _config(tool: str, folder: Path, options: list[str]) -> dict[str, Any]:
    """What compose makes of the files, where neither `.env` nor the environment sets anything."""
    command = TOOLS[tool]
    if not tool_works(command):
        pytest.skip(f"{tool} is not installed; the files were held against the specification's schema")
    (folder / "empty.env").touch()
    told = subprocess.run(
        [*command, "--env-file", str(folder / "empty.env"), "-f", COMPOSE.name, *options, "config"],
        cwd=ROOT, env={key: os.environ[key] for key in ("PATH", "HOME", "DOCKER_CONFIG") if key in os.environ},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    content: dict[str, Any] = yaml.safe_load(told.stdout)
    return content
