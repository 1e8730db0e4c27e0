"""The production file and the embedded stack say the same: names and values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cakupan.embedded.clickhouse import SERVER_SETTINGS
from cakupan.embedded.kafka import SERVER_PROPERTIES, SUBSCRIBER_PROPERTIES
from cakupan.settings import Settings
from tests.registry.apicurio import VERSION, Apicurio

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "docker-compose.yml"

# What must differ: where the parts are, and what is secret.
PLACES = {
    "kafka_bootstrap",
    "kafka_subscriber_bootstrap",
    "kafka_ca",
    "registry_url",
    "clickhouse_host",
    "clickhouse_port",
    "clickhouse_password",
    "api_host",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return loaded


def test_the_file_keeps_the_compose_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_is_there(services: dict[str, Any]) -> None:
    assert services.keys() >= {"kafka", "clickhouse", "registry", "worker", "api", "audit", "alerts", "fanout"}


def test_the_broker_has_the_embedded_settings(services: dict[str, Any]) -> None:
    environment = services["kafka"]["environment"]
    for name, value in (SERVER_PROPERTIES | SUBSCRIBER_PROPERTIES).items():
        # The image's own way to write a name: a dot as one underscore, a hyphen as three.
        variable = f"KAFKA_{name.upper().replace('.', '_').replace('-', '___')}"
        assert str(environment[variable]) == value, name


def test_the_database_has_the_embedded_settings(services: dict[str, Any]) -> None:
    """Those that are not about a small machine."""
    (config,) = services["clickhouse"]["configs"]
    assert config["target"] == "/etc/clickhouse-server/config.d/cakupan.yaml"  # where the image reads what is added
    content = yaml.safe_load(yaml.safe_load(COMPOSE.read_text())["configs"][config["source"]]["content"])
    assert {name: str(value) for name, value in content.items()} == SERVER_SETTINGS
    assert "SYS_NICE" in services["clickhouse"]["cap_add"]


def test_only_the_subscribers_listener_is_published(services: dict[str, Any]) -> None:
    """Whoever reaches the internal one may do all, and the controllers' too."""
    kafka = services["kafka"]
    listeners = dict(each.split("://") for each in kafka["environment"]["KAFKA_LISTENERS"].split(","))
    assert kafka["ports"] == [f"127.0.0.1{listeners['SUBSCRIBERS']}{listeners['SUBSCRIBERS']}"]
    protocols = dict(
        each.split(":") for each in kafka["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    assert protocols["SUBSCRIBERS"] == "SASL_SSL"


def test_worker_and_api_have_the_embedded_settings(services: dict[str, Any]) -> None:
    defaults = Settings(_env_file=None).model_dump()
    for service in ("setup", "worker", "api"):
        for key, value in services[service]["environment"].items():
            name = key.removeprefix("CAKUPAN_").lower()
            assert name in defaults, f"{service} sets {key}, which is no setting"
            if name not in PLACES:
                assert type(defaults[name])(value) == defaults[name], f"{service}: {key}"


def test_the_registry_is_the_one_that_is_tested(services: dict[str, Any]) -> None:
    tested = Apicurio(ROOT, "kafka:19092", 8080, 9000).environment
    service = services["registry"]
    assert service["image"] == f"apicurio/apicurio-registry:{VERSION}"
    assert service["environment"] == {each: tested[each] for each in tested if each.startswith("APICURIO_")}
    assert services["setup"]["environment"]["CAKUPAN_REGISTRY_URL"] == "http://registry:8080/apis/ccompat/v7"


def test_worker_and_api_share_one_image_of_ours(services: dict[str, Any]) -> None:
    assert services["worker"]["image"] == services["api"]["image"]
    assert (ROOT / "Dockerfile").exists()
    for package in ("events", "projections", "streams", "api", "cakupan"):
        assert f"COPY {package} {package}" in (ROOT / "Dockerfile").read_text()


def test_nothing_listens_beyond_loopback(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"


def test_no_secret_is_written_down() -> None:
    assert "PASSWORD: ${CAKUPAN_CLICKHOUSE_PASSWORD:?" in COMPOSE.read_text()
