"""The small HTTP listener beside the work: `/livez`, `/readyz`, `/metrics`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

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


class AddressRefused(StartRefused):
    """Somebody else listens there, or this machine has no such address."""


class Listener:
    """A service. `checks` decide readiness; each by name, all at once, each within `check_deadline_s`."""

    name = "listener"
    max_silence_s = 10.0

    def __init__(
        self, settings: ListenSettings, health: Health, checks: Mapping[str, Check], exposition: Exposition
    ) -> None:
        self._settings = settings
        self._health = health
        self._checks = checks
        self._exposition = exposition
        self.started = asyncio.Event()
        self.port = settings.port
        """The real one once `started` is set; differs from the setting where that is 0."""

    async def run(self, life: Lifeline) -> None:
        """Answers until the stop. Raises AddressRefused when the address cannot be had."""
        runner = web.AppRunner(self._application(), access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await self._listen(runner)
            self.port = runner.addresses[0][1]
            self.started.set()
            log.info("listening", host=self._settings.host, port=self.port)
            await life.wait()
        finally:
            self.started.clear()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(runner, host, port).start()
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
        """Alive = no service is overdue with its sign of life, none is lost. If not, a restart helps."""
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
        faults = await asyncio.gather(*(self._fault(check) for check in self._checks.values()))
        reasons = {name: fault for name, fault in zip(self._checks, faults, strict=True) if fault}
        if self._health.stopping:
            reasons["stopping"] = "this process was asked to stop"
        health = self._health
        shown = {"ready": not reasons, "reasons": reasons, "degraded": health.degraded, "codes": health.codes}
        return web.json_response(shown, status=503 if reasons else 200)

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
        return web.Response(body=self._exposition.text(), headers={"Content-Type": CONTENT_TYPE})
