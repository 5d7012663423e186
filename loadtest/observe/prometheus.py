"""Debian's Prometheus with the project's configuration and rules, and what can be asked of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.observe import shortened
from loadtest.observe.program import account_owns, running
from loadtest.ports import free_port
from loadtest.shell import PROJECT

PROGRAM = "prometheus"
CONFIG = PROJECT / "config/prometheus/prometheus.yml"
RULES = PROJECT / "config/prometheus/rules"
# What Prometheus has where nothing is said. An alert from before it knows the Alertmanager is sent with the next one.
RESEND_DELAY = "1m"


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running one."""

    url: str

    async def firing(self) -> dict[str, list[dict[str, str]]]:
        """Labels of the alerts that fire now, by name."""
        found: dict[str, list[dict[str, str]]] = {}
        for alert in (await self._asked("alerts"))["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    async def value(self, expression: str) -> float | None:
        """The first value of an expression now, None = there is none."""
        result = (await self._asked("query", query=expression))["result"]
        return float(result[0]["value"][1]) if result else None

    async def failing_rules(self) -> list[str]:
        """Names of rules that cannot be evaluated, with the error."""
        groups = (await self._asked("rules"))["groups"]
        rules = (rule for group in groups for rule in group["rules"])
        return [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"]

    async def _asked(self, what: str, **parameters: str) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v1/{what}", params=parameters) as answer,
        ):
            answer.raise_for_status()
            return (await answer.json())["data"]


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Sequence[str], alertmanager: str, times: int, port: int = 0
) -> AsyncIterator[Prometheus]:
    """It scrapes `targets` (host:port) and tells the Alertmanager at this URL. `folder` is made."""
    account_owns(folder)
    config, rules = folder / "prometheus.yml", folder / "rules"
    rules.mkdir(exist_ok=True)
    for path in RULES.glob("*.yml"):
        short = shortened.rules(path.read_text(encoding="utf-8"), times)
        (rules / path.name).write_text(short, encoding="utf-8")
    host = alertmanager.removeprefix("http://")
    short = shortened.prometheus(CONFIG.read_text(encoding="utf-8"), times, [f"{rules}/*.yml"], targets, host)
    config.write_text(short, encoding="utf-8")
    address = f"127.0.0.1:{port or free_port()}"
    options = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        f"--rules.alert.resend-delay={shortened.shortened(RESEND_DELAY, times)}",
        "--log.level=warn",
    )
    async with running(PROGRAM, folder, f"http://{address}", *options):
        yield Prometheus(f"http://{address}")
