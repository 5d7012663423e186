"""The manifests: valid for Kubernetes, and true of the service that they start."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from aiohttp import web

from ops.alerting.operator import prometheus_rule
from ops.alerting.rules import RULES, main
from router.http.probes import Probes
from router.runtime.health import Health
from router.settings.model import ListenSettings, Settings
from router.settings.read import read_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config/kubernetes"
# The oldest with unhealthyPodEvictionPolicy for everybody, and the newest that is known here.
VERSIONS = ("1.31", kubernetes_validate.latest_version())
MONITOR, RULE = "servicemonitor.yaml", "prometheusrule.yaml"


def manifest(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return document


FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
DEPLOYMENT = manifest("deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [name for name in FILES if name not in (MONITOR, RULE)])
def test_kubernetes_takes_every_manifest(name: str, version: str) -> None:
    kubernetes_validate.validate(manifest(name), version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", [("spec", "replicaz"), ("spec", "template", "spec", "readOnly")])
def test_a_mistyped_key_would_not_pass(version: str, place: tuple[str, ...]) -> None:
    wrong = deepcopy(DEPLOYMENT)
    inner = wrong
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def served_paths() -> set[str]:
    application = web.Application()
    Probes(Health(lambda: 0.0), {}, ListenSettings()).add_to(application)
    return {resource.canonical for resource in application.router.resources()}


def pod_of(name: str) -> dict[str, Any]:
    """The pod that a manifest makes."""
    document = manifest(name)
    pod: dict[str, Any] = document["spec"] if document["kind"] == "Pod" else document["spec"]["template"]["spec"]
    return pod


def settings_of(name: str, tmp_path: Path) -> Settings:
    """What the pods of a manifest read. Raises SettingsError."""
    file = tmp_path / "router.yaml"
    file.write_text(manifest("configmap.yaml")["data"]["router.yaml"], encoding="utf-8")
    (container,) = pod_of(name)["containers"]
    environment = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    return read_settings(environment, file)


def test_the_probes_ask_what_is_served_where_it_is_served(tmp_path: Path) -> None:
    settings = settings_of("deployment.yaml", tmp_path)
    assert {"probes": settings.listen.port, "api": settings.api.port} == PORTS
    asked = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {probe["path"] for probe in asked.values()} <= served_paths()
    assert {probe["port"] for probe in asked.values()} == {"probes"}
    # A database that is away is no reason for a restart, at the start as little as later: decision 0021.
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    # Probes come from the node: a listener for this machine only would never be ready.
    assert settings.listen.host == settings.api.host == "0.0.0.0"


def test_a_probe_waits_for_as_long_as_a_check_may_take(tmp_path: Path) -> None:
    deadline_s = settings_of("deployment.yaml", tmp_path).listen.check_deadline_s
    assert all(CONTAINER[f"{name}Probe"]["timeoutSeconds"] > deadline_s for name in ("liveness", "readiness"))


def test_a_pod_is_not_killed_before_its_stop_is_over(tmp_path: Path) -> None:
    (_, seconds) = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    stop_s = settings_of("deployment.yaml", tmp_path).supervision.stop_deadline_s
    assert POD["spec"]["terminationGracePeriodSeconds"] >= 2 * (int(seconds) + stop_s)


def test_what_selects_pods_selects_routers_and_no_others() -> None:
    labels = POD["metadata"]["labels"]
    service, monitor = manifest("service.yaml"), manifest(MONITOR)
    selectors = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        manifest("poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
    ]
    others = [
        manifest("migrate-job.yaml")["spec"]["template"]["metadata"]["labels"],
        manifest("shell.yaml")["metadata"]["labels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= other.items() for other in others)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(PORTS)
    names = {port["name"] for port in service["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= names


def test_the_prometheus_operator_takes_the_monitor() -> None:
    monitor = manifest(MONITOR)
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint.keys() == {"port", "path", "interval", "scrapeTimeout"}
    assert int(endpoint["scrapeTimeout"][:-1]) < int(endpoint["interval"][:-1])


@pytest.mark.parametrize("name", ["deployment.yaml", "migrate-job.yaml", "shell.yaml"])
def test_pods_run_the_image_as_it_is_built_and_have_no_more_rights_than_they_need(name: str, tmp_path: Path) -> None:
    pod = pod_of(name)
    (container,) = pod["containers"]
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    assert container["image"].endswith(f"/lead-router:{version}")
    assert f"USER {pod['securityContext']['runAsUser']}\n" in recipe
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert settings_of(name, tmp_path) is not None


def test_one_router_stays_whatever_node_is_drained_or_version_is_rolled_out() -> None:
    assert DEPLOYMENT["spec"]["replicas"] > manifest("poddisruptionbudget.yaml")["spec"]["minAvailable"] >= 1
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_with_the_operator_come_the_same_alerts_and_none_is_missing() -> None:
    rule = manifest(RULE)
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yml"))]
    assert rule["spec"] == {"groups": [group for file in files for group in file["groups"]]}


def test_the_operator_names_the_job_as_the_rules_ask_for_it() -> None:
    # Without jobLabel the operator takes the name of the Service.
    assert "jobLabel" not in manifest(MONITOR)["spec"]
    jobs = set(re.findall(r'\bjob="([^"]+)"', (FOLDER / RULE).read_text(encoding="utf-8")))
    assert jobs == {manifest("service.yaml")["metadata"]["name"]}


def test_a_file_of_rules_that_holds_more_than_groups_is_refused_and_not_half_written() -> None:
    with pytest.raises(ValueError, match="namespace"):
        prometheus_rule(["groups:\n  - name: a\n", "namespace: b\ngroups:\n  - name: c\n"])


def test_the_manifest_has_the_addresses_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--operator", "--runbooks", "https://wiki.acme.com/", "--dashboards", "https://g.acme.com"]) == 0
    groups = yaml.safe_load(capsys.readouterr().out)["spec"]["groups"]
    links = [rule["annotations"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert all(link["runbook_url"].startswith("https://wiki.acme.com/alerts/LeadRouter") for link in links)
    assert all(link["dashboard_url"].startswith("https://g.acme.com/d/lead-router-") for link in links)
