"""Who is notified, in the place of pagers and tickets: remembers what Alertmanager sent, and to which receiver."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite

WATCHDOG = "LeadRouterWatchdog"


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert in one notification. `at` is by the monotonic clock."""

    receiver: str
    resolved: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    at: float

    @property
    def name(self) -> str:
        return self.labels["alertname"]

    @property
    def tenant(self) -> str:
        """Of which tenant it is, "" = of none."""
        return self.labels.get("tenant", "")

    @property
    def text(self) -> str:
        """What a person reads."""
        return f"{self.summary}\n{self.description}"

    @property
    def summary(self) -> str:
        return self.annotations.get("summary", "")

    @property
    def description(self) -> str:
        return self.annotations.get("description", "")


@dataclass(slots=True)
class Sink:
    """`got` = all notices in the order in which they came; `heard` is told of each."""

    url: str = ""
    got: list[Notice] = field(default_factory=list)
    heard: Callable[[Notice], None] = lambda _: None

    async def take(self, request: web.Request) -> web.Response:
        """A webhook of Alertmanager, version 4 of its form."""
        document = await request.json()
        for alert in document["alerts"]:
            notice = _notice(request.match_info["receiver"], alert)
            self.got.append(notice)
            self.heard(notice)
        return web.Response()

    def since(self, at: float) -> list[Notice]:
        """What came after this moment, without the watchdog, whose purpose is to fire."""
        return [notice for notice in self.got if notice.at >= at and notice.name != WATCHDOG]


def _notice(receiver: str, alert: Mapping[str, Any]) -> Notice:
    return Notice(receiver, alert["status"] == "resolved", alert["labels"], alert["annotations"], monotonic())


@asynccontextmanager
async def a_sink() -> AsyncIterator[Sink]:
    """It listens on a port of this host."""
    sink = Sink()
    app = web.Application()
    app.router.add_post("/{receiver}", sink.take)
    runner = AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sink
    finally:
        await runner.cleanup()
