"""Debian's promtool and amtool agree: the rules hold, fire when they should, and reach the right people."""

import subprocess
from pathlib import Path

import pytest

from tests.alert_files import ALERTMANAGER, PROMETHEUS, RULE_TESTS, RULES
from tests.debian import install

pytestmark = pytest.mark.servers


def run(*words: str | Path) -> str:
    """What a program says; fails with that when it ends with anything but 0."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    install()


def test_prometheus_accepts_the_rules_and_the_configuration() -> None:
    assert "SUCCESS" in run("promtool", "check", "rules", *RULES)
    assert "SUCCESS" in run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_after_their_production_times_and_not_before(path: Path) -> None:
    run("promtool", "test", "rules", path)


def test_a_rule_that_fires_too_early_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for path in RULES:
        text = path.read_text(encoding="utf-8").replace("for: 3m", "for: 1m")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    pages = next(path for path in RULE_TESTS if path.stem == "pages")
    (tmp_path / "tests/pages.yml").write_text(pages.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", "tests/pages.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "LeadRouterNothingAssigned" in done.stdout + done.stderr


def test_alertmanager_accepts_its_configuration() -> None:
    assert "SUCCESS" in run("amtool", "check-config", ALERTMANAGER)


@pytest.mark.parametrize(
    ("receiver", "labels"),
    [
        ("oncall", ["alertname=LeadRouterLeadsWaitDespiteRoom", "severity=critical", "tenant=acme"]),
        ("oncall", ["alertname=LeadRouterAbsent", "severity=critical"]),
        ("tickets", ["alertname=LeadRouterGroupEmpty", "severity=warning", "tenant=acme"]),
        ("tickets", ["alertname=SomethingElse"]),
        ("deadman", ["alertname=LeadRouterWatchdog", "severity=info"]),
        ("nobody", ["alertname=SomethingElse", "severity=info"]),
    ],
)
def test_an_alert_reaches_the_people_whom_it_concerns(receiver: str, labels: list[str]) -> None:
    assert run("amtool", "config", "routes", "test", f"--config.file={ALERTMANAGER}", *labels).split() == [receiver]
