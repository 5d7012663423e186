"""What is done to the service before the load: who is present, and the night's backlog."""

import json
from collections.abc import Sequence
from typing import Any

import aiohttp

from loadtest.load.outcome import NIGHT_SOURCE
from loadtest.load.world import GROUPS, REGIONS, REPS, World, group_of

_AT_ONCE = 5_000
_PAUSE_S = 86_400


class Refused(Exception):
    """The service did not take what a run needs; the message has its answer."""


class Service:
    """The API, with the token of the run."""

    def __init__(self, api: str, world: World) -> None:
        self._api, self._world = api, world

    async def ask(self, method: str, path: str, body: str | None = None, kind: str = "application/json") -> Any:
        """The JSON that is answered. Raises Refused."""
        headers = {"Authorization": f"Bearer {self._world.token}", "Content-Type": kind}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self._api + path, data=body, headers=headers) as answer,
        ):
            said = await answer.text()
            if answer.status >= 300:
                raise Refused(f"{method} {path}: {answer.status}: {said[:300]}")
            return json.loads(said) if said else None

    async def come_to_work(self) -> None:
        """The reps who have to be present are."""
        for place, rep in enumerate(REPS):
            if group_of(place) == f"g{GROUPS - 1}":
                await self.ask("POST", f"/v1/reps/{rep}/presence")

    async def night(self, leads: int) -> None:
        """So many leads come while nothing is routed; `morning` ends that. Raises Refused unless all are taken."""
        await self.ask("POST", "/v1/pause", json.dumps({"seconds": _PAUSE_S, "why": "night"}))
        for first in range(0, leads, _AT_ONCE):
            lines = _lines(range(first, min(first + _AT_ONCE, leads)))
            said = await self.ask("POST", "/v1/leads:batch", lines, "application/x-ndjson")
            if said["refused"]:
                raise Refused(f"of the night's leads {said['refused']:,} were refused: {said['errors'][:1]}")

    async def morning(self) -> None:
        """What came in the night is routed from now on."""
        await self.ask("DELETE", "/v1/pause?why=morning")


def _lines(numbers: Sequence[int]) -> str:
    return "\n".join(
        json.dumps(
            {
                "source": NIGHT_SOURCE,
                "external_id": f"night-{number}",
                "phone": f"+86136{number:08}",
                "region": REGIONS[number % len(REGIONS)],
            }
        )
        for number in numbers
    )
