"""`/livez`, `/readyz`, `/startupz`: whether this process lives, can do its work, and has begun. Open to everybody."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from router.http.shared import Shared
from router.runtime.health import Health
from router.telemetry.masking import mask_passwords

# A check returns when all is well and raises what is wrong; its argument is the deadline in seconds.
Check = Callable[[float], Awaitable[None]]

_FAULTS_HOLD_S = 1.0


class Probes:
    """Their answers. `checks` decide readiness; each by name, all at once, each within `check_deadline_s`.

    An answer holds for a second, for all clients: more requests cost the database nothing.
    """

    def __init__(self, health: Health, checks: Mapping[str, Check], check_deadline_s: float) -> None:
        self._health = health
        self._checks = checks
        self._check_deadline_s = check_deadline_s
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
        elsewhere does.
        """
        reasons = await self._reasons()
        health = self._health
        worse = {"degraded": health.worse(), "codes": health.codes, "muted": health.worse_and_muted()}
        shown = {"ready": not reasons, "reasons": reasons, **worse}
        return web.json_response(shown, status=503 if reasons else 200)

    async def _startupz(self, _request: web.Request) -> web.Response:
        """Begun = was ready once. Orchestrators ask the other two only then."""
        reasons = {} if self._begun else await self._reasons()
        self._begun = self._begun or not reasons
        return web.json_response({"started": self._begun, "reasons": reasons}, status=200 if self._begun else 503)

    async def _reasons(self) -> dict[str, str]:
        reasons = dict(await self._faults.get())
        if self._health.stopping:
            reasons["stopping"] = "this process was asked to stop"
        return reasons

    async def _look(self) -> dict[str, str]:
        faults = await asyncio.gather(*(self._fault(check) for check in self._checks.values()))
        return {name: fault for name, fault in zip(self._checks, faults, strict=True) if fault}

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
