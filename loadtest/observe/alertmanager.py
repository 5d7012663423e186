"""Debian's Alertmanager with the project's routes and inhibitions; what it sends goes to a sink."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from loadtest.observe import shortened
from loadtest.observe.program import account_owns, running
from loadtest.ports import free_port
from loadtest.shell import PROJECT

PROGRAM = "prometheus-alertmanager"
CONFIG = PROJECT / "config/alertmanager/alertmanager.yml"


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """A running one."""

    url: str

    async def active(self) -> list[Mapping[str, Mapping[str, str]]]:
        """The alerts that it has and that are not over, also those that are inhibited, with `labels` and `annotations`
        as they are now.
        """
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/api/v2/alerts") as answer:
            answer.raise_for_status()
            found: list[Mapping[str, Mapping[str, str]]] = await answer.json()
            return found


@asynccontextmanager
async def alertmanager(folder: Path, sink: str, times: int, port: int = 0) -> AsyncIterator[Alertmanager]:
    """`folder` is made; `sink` is the URL below which each receiver has a path of its name."""
    account_owns(folder)
    config = folder / "alertmanager.yml"
    config.write_text(shortened.alertmanager(CONFIG.read_text(encoding="utf-8"), times, sink), encoding="utf-8")
    address = f"127.0.0.1:{port or free_port()}"
    options = (
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    )
    async with running(PROGRAM, folder, f"http://{address}", *options):
        yield Alertmanager(f"http://{address}")
