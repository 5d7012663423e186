"""The small HTTP listener beside the work: the probes and `/metrics`."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from router.http.probes import Check, Probes
from router.http.serving import Address
from router.http.shared import Shared
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline
from router.settings.model import ListenSettings
from router.telemetry.exposition import CONTENT_TYPE, Exposition


class Listener:
    """A service. `checks` decide readiness, as in Probes.

    `/metrics` is written in a thread: the work does not pay for how often somebody looks. `max_connections` clients at
    once, each with `request_s` (seconds) to ask.
    """

    name = "listener"
    max_silence_s = 10.0

    def __init__(
        self,
        settings: ListenSettings,
        health: Health,
        checks: Mapping[str, Check],
        exposition: Exposition,
        *,
        max_connections: int = 64,
        request_s: float = 10.0,
    ) -> None:
        self._address = Address(
            settings.host,
            settings.port,
            "LEAD_ROUTER_LISTEN_PORT",
            max_connections=max_connections,
            request_s=request_s,
        )
        self._probes = Probes(health, checks, settings)
        self._text = Shared(lambda: asyncio.to_thread(exposition.text), 0.0)

    @property
    def started(self) -> asyncio.Event:
        """Set while it answers."""
        return self._address.started

    @property
    def port(self) -> int:
        """The real one once `started` is set; differs from the setting where that is 0."""
        return self._address.port

    async def run(self, life: Lifeline) -> None:
        """Answers until the stop. Raises AddressRefused when the address cannot be had."""
        application = web.Application()
        self._probes.add_to(application)
        application.router.add_get("/metrics", self._metrics)
        await self._address.serve(application, life)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._text.get(), headers={"Content-Type": CONTENT_TYPE})
