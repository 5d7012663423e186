"""A receiver of webhooks for tests: remembers what came, and answers as it is told."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite

Answering = Callable[[dict[str, Any]], int]


@dataclass(slots=True)
class Sink:
    """`got` = (body, headers) of each delivery in order; `answer` gives the status for one."""

    url: str = ""
    got: list[tuple[dict[str, Any], dict[str, str], bytes]] = field(default_factory=list)
    answer: Answering = lambda _: 204
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    most_at_once: int = 0
    now: int = 0

    @property
    def ids(self) -> list[str]:
        """Of all deliveries that were answered well, in order, repeats included."""
        return [body["id"] for body, _, _ in self.got]

    def of_lead(self, lead_id: int) -> list[str]:
        """Types of the lead's events in the order of their first delivery."""
        first = {body["id"]: body for body, _, _ in reversed(self.got)}
        order = dict.fromkeys(self.ids)
        return [first[one]["type"] for one in order if first[one]["data"]["lead_id"] == lead_id]

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        body = json.loads(raw)
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.now -= 1
        status = self.answer(body)
        if 200 <= status < 300:
            self.got.append((body, dict(request.headers), raw))
        return web.Response(status=status, headers=self.headers)


def names_of(host: str, address: str) -> Callable[..., Any]:
    """In place of `socket.getaddrinfo`: a name server that knows `host`, and no name that ends in .example."""
    real = socket.getaddrinfo

    def look_up(name: Any, *arguments: Any, **options: Any) -> Any:
        if str(name).endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(address if name == host else name, *arguments, **options)

    return look_up


@asynccontextmanager
async def a_sink(port: int = 0, **options: Any) -> AsyncIterator[Sink]:
    """A receiver on a port of this host."""
    sink = Sink(**options)
    app = web.Application()
    app.router.add_post("/{tail:.*}", sink.take)
    runner = AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = TCPSite(runner, "127.0.0.1", port)
    await site.start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?key=k1"
    try:
        yield sink
    finally:
        await runner.cleanup()
