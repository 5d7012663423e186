"""Debian's Prometheus for a test: scrapes what it is told every second, by the rules of this project."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from loadtest.ports import free_port
from tests.alert_files import RULES
from tests.support import until


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, expr: str) -> list[float]:
        """The values that an expression has now, without those of 0 / 0. Fails where it is not understood."""
        result = await self._get("query", {"query": expr})
        if result["resultType"] == "scalar":
            return [float(result["result"][1])]
        values = [float(series["value"][1]) for series in result["result"]]
        return [value for value in values if not math.isnan(value)]

    async def label_values(self, metric: str, label: str) -> list[str]:
        """As the variables of Grafana ask."""
        found: list[str] = await self._get(f"label/{label}/values", {"match[]": metric})
        return found

    async def _get(self, path: str, parameters: dict[str, str]) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{path}", params=parameters) as reply:
            answer = await reply.json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    async def _ready(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/-/ready") as reply:
                return reply.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def scraping(folder: Path, ports: Sequence[int]) -> AsyncIterator[Prometheus]:
    """Scrapes these ports of this host, as the job lead-router; killed at the end."""
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in RULES],
        "scrape_configs": [
            {"job_name": "lead-router", "static_configs": [{"targets": [f"127.0.0.1:{one}" for one in ports]}]}
        ],
    }
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    words = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec("prometheus", *words, stderr=stderr)
    try:
        async with aiohttp.ClientSession() as session:
            started = Prometheus(f"http://127.0.0.1:{port}", session)

            async def ready() -> bool:
                assert process.returncode is None, log.read_text(encoding="utf-8")
                return await started._ready()

            await until(ready, "Prometheus is ready", 60, 0.1)
            yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
