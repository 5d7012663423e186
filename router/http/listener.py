"""The small HTTP listener beside the work: `/livez`, `/readyz`, `/metrics`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from router.http.guard import Guard
from router.http.shared import Shared
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline
from router.runtime.supervisor import StartRefused
from router.settings.model import ListenSettings
from router.telemetry.exposition import CONTENT_TYPE, Exposition
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

log = get_logger(__name__)

# A check returns when all is well and raises what is wrong; its argument is the deadline in seconds.
Check = Callable[[float], Awaitable[None]]


_FAULTS_HOLD_S = 1.0
_SWEEP_EVERY_S = 1.0


class AddressRefused(StartRefused):
    """Somebody else listens there, or this machine has no such address."""


class Listener:
    """A service. `checks` decide readiness; each by name, all at once, each within `check_deadline_s`.

    Their answer holds for a second, for whoever asks, and `/metrics` is written in a thread: neither the database nor
    the work pays for how often somebody looks. `max_connections` clients at once, each with `request_s` (seconds) to
    ask.
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
        self._settings = settings
        self._health = health
        self._checks = checks
        self._exposition = exposition
        self._max_connections = max_connections
        self._request_s = request_s
        self._faults = Shared(self._look, _FAULTS_HOLD_S)
        self._text = Shared(lambda: asyncio.to_thread(exposition.text), 0.0)
        self.started = asyncio.Event()
        self.port = settings.port
        """The real one once `started` is set; differs from the setting where that is 0."""

    async def run(self, life: Lifeline) -> None:
        """Answers until the stop. Raises AddressRefused when the address cannot be had."""
        application = self._application()
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        guard = Guard(lambda: _protocol(runner), self._max_connections, self._request_s)
        application.middlewares.append(guard.middleware)
        await runner.setup()
        server = None
        try:
            server = await self._listen(guard)
            self.port = server.sockets[0].getsockname()[1]
            self.started.set()
            log.info("listening", host=self._settings.host, port=self.port)
            while not await life.pause(_SWEEP_EVERY_S):
                guard.end_silent()
        finally:
            self.started.clear()
            if server is not None:
                server.close()
            await runner.cleanup()

    async def _listen(self, guard: Guard) -> asyncio.Server:
        host, port = self._settings.host, self._settings.port
        try:
            return await asyncio.get_running_loop().create_server(guard, host, port)
        except OSError as error:
            raise AddressRefused(
                f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}. Does another lead-router run "
                f"here? Set LEAD_ROUTER_LISTEN_PORT to another port, or to 0 for any free one"
            ) from error

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        return application

    async def _livez(self, _request: web.Request) -> web.Response:
        """Alive = the event loop turns, and no service is lost. If not, a restart helps; what waits for something
        outside is `degraded` instead.
        """
        services = self._health.report()
        alive = all(service.alive for service in services.values())
        shown = {
            name: {
                "alive": service.alive,
                "state": service.state.value,
                "overdue_s": round(service.overdue_s, 3),
                "deaths": service.deaths,
                "last_error": service.last_error,
            }
            for name, service in services.items()
        }
        return web.json_response({"alive": alive, "services": shown}, status=200 if alive else 503)

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Ready = can do its work now, be it slower (`degraded`). If not, a restart does not help; sending work
        elsewhere does.
        """
        reasons = dict(await self._faults.get())
        if self._health.stopping:
            reasons["stopping"] = "this process was asked to stop"
        health = self._health
        worse = {"degraded": health.worse(), "codes": health.codes, "muted": health.worse_and_muted()}
        shown = {"ready": not reasons, "reasons": reasons, **worse}
        return web.json_response(shown, status=503 if reasons else 200)

    async def _look(self) -> dict[str, str]:
        faults = await asyncio.gather(*(self._fault(check) for check in self._checks.values()))
        return {name: fault for name, fault in zip(self._checks, faults, strict=True) if fault}

    async def _fault(self, check: Check) -> str | None:
        deadline_s = self._settings.check_deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                await check(deadline_s)
        except TimeoutError:
            return f"no answer within {deadline_s:g} s"
        except Exception as error:
            return mask_passwords(f"{type(error).__name__}: {error}")
        return None

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._text.get(), headers={"Content-Type": CONTENT_TYPE})


def _protocol(runner: web.AppRunner) -> asyncio.Protocol:
    server = runner.server
    assert server is not None
    return server()
