"""The compose file: what it names exists, and nothing in it changes by itself."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.cli.commands import COMMANDS
from router.settings.model import Settings
from router.settings.read import read_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config/compose"
# Of the Compose Specification, what is used here: a mistyped key is ignored by nobody.
KEYS = {
    *("build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "ports"),
    *("read_only", "restart", "security_opt", "shm_size", "stop_grace_period", "tmpfs", "volumes"),
}
# A folder of rules that is not there is an empty one.
MAY_BE_EMPTY = {"../prometheus/rules"}
_PINNED = re.compile(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?")


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


COMPOSE = read("compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("lead-router:")]


def settings() -> Settings:
    return read_settings(SERVICES["lead-router"]["environment"], None)


def test_all_parts_are_there() -> None:
    assert SERVICES.keys() == {"postgres", "redis", "setup", "lead-router", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_of_one_version(name: str) -> None:
    assert _PINNED.fullmatch(SERVICES[name]["image"]), SERVICES[name]["image"]


def test_our_image_is_of_this_version_and_is_built_from_here() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name in OURS:
        assert SERVICES[name]["image"] == f"lead-router:{version}"
        assert (FOLDER / SERVICES[name]["build"]["context"] / "Dockerfile").is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_no_key_is_mistyped_and_what_is_waited_for_exists(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= KEYS
    for other, wait in service.get("depends_on", {}).items():
        assert other in SERVICES
        if wait["condition"] == "service_healthy":
            assert SERVICES[other]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        if not source.startswith("."):
            assert source in COMPOSE["volumes"]
        elif source not in MAY_BE_EMPTY:
            assert (FOLDER / source).exists(), mount


def test_every_setting_is_one_of_ours_and_the_servers_are_those_beside_it() -> None:
    read_back = settings()
    assert (read_back.database_url, read_back.redis_url) == ("postgresql://router@postgres/router", "redis://redis")
    database = SERVICES["postgres"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("router", "router")
    assert database["POSTGRES_PASSWORD"] == SERVICES["lead-router"]["environment"]["PGPASSWORD"]


def test_nothing_is_published_to_other_machines() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
    assert f"127.0.0.1:{settings().api.port}:{settings().api.port}" in published


def test_the_commands_that_it_runs_exist() -> None:
    (script,) = SERVICES["setup"]["command"]
    named = re.findall(r"lead-router ([a-z]+)", script) + SERVICES["lead-router"]["command"]
    assert set(named) == {"migrate", "tokens", "serve"} <= set(COMMANDS)


def test_a_stop_has_the_time_that_it_needs() -> None:
    assert int(SERVICES["lead-router"]["stop_grace_period"].removesuffix("s")) > settings().supervision.stop_deadline_s


def test_prometheus_scrapes_the_routers_and_reports_to_the_alertmanager() -> None:
    prometheus = read("prometheus.yml")
    (job,) = prometheus["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["lead-router"], settings().listen.port)
    (manager,) = prometheus["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    mounts = [mount.split(":")[1] for mount in SERVICES["prometheus"]["volumes"]]
    assert all(str(Path(pattern).parent) in mounts for pattern in prometheus["rule_files"])


def test_alerts_have_a_receiver_and_grafana_finds_prometheus_and_the_dashboards() -> None:
    alerts = read("alertmanager.yml")
    assert alerts["route"]["receiver"] in {receiver["name"] for receiver in alerts["receivers"]}
    (source,) = read("grafana/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = read("grafana/dashboards/files.yml")["providers"]
    assert provider["options"]["path"] in [mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]]
