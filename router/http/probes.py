"""`/livez`, `/readyz`, `/startupz`: whether this process lives, can do its work, and has begun. Open to everybody."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

from aiohttp import web

from router.http.shared import Shared
from router.runtime.health import Health
from router.runtime.readiness import Readiness, Thresholds, observe
from router.settings.model import ListenSettings
from router.telemetry.masking import mask_passwords

# A check returns when all is well and raises what is wrong; its argument is the deadline in seconds.
Check = Callable[[float], Awaitable[None]]

_FAULTS_HOLD_S = 1.0


class Probes:
    """Their answers. `checks` decide readiness; each by name, all at once, each within `settings.check_deadline_s`.

    An answer holds for a second, for all clients: more requests cost the database nothing. What a look finds changes
    readiness when it lasts.
    """

    def __init__(self, health: Health, checks: Mapping[str, Check], settings: ListenSettings) -> None:
        self._health = health
        self._checks = checks
        self._check_deadline_s = settings.check_deadline_s
        self._thresholds = Thresholds(settings.unready_after_s, settings.ready_after_s)
        self._readiness = Readiness()
        self._faults = Shared(self._look, _FAULTS_HOLD_S)
        self._begun = False

    def add_to(self, application: web.Application) -> None:
        """The three addresses."""
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/startupz", self._startupz)

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
        elsewhere does. `failing` did not last long enough to count.
        """
        faults = await self._faults.get()
        reasons = self._reasons(faults)
        health = self._health
        worse = {"degraded": health.worse(), "codes": health.codes, "muted": health.worse_and_muted()}
        failing = faults if self._readiness.ready else {}
        shown = {"ready": not reasons, "reasons": reasons, "failing": failing, **worse}
        return web.json_response(shown, status=503 if reasons else 200)

    async def _startupz(self, _request: web.Request) -> web.Response:
        """Begun = was ready once. Orchestrators ask the other two only then."""
        reasons = {} if self._begun else self._reasons(await self._faults.get())
        self._begun = self._begun or not reasons
        return web.json_response({"started": self._begun, "reasons": reasons}, status=200 if self._begun else 503)

    def _reasons(self, faults: Mapping[str, str]) -> dict[str, str]:
        reasons = {} if self._readiness.ready else dict(faults) or {"recovering": self._recovering()}
        if self._health.stopping:
            reasons["stopping"] = "this process was asked to stop"
        return reasons

    def _recovering(self) -> str:
        return f"all checks pass again; ready once they have passed for {self._thresholds.ready_after_s:g} s"

    async def _look(self) -> dict[str, str]:
        found = await asyncio.gather(*(self._fault(check) for check in self._checks.values()))
        faults = {name: fault for name, fault in zip(self._checks, found, strict=True) if fault}
        self._readiness = observe(self._readiness, not faults, monotonic(), self._thresholds)
        return faults

    async def _fault(self, check: Check) -> str | None:
        deadline_s = self._check_deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                await check(deadline_s)
        except TimeoutError:
            return f"no answer within {deadline_s:g} s"
        except Exception as error:
            return mask_passwords(f"{type(error).__name__}: {error}")
        return None
