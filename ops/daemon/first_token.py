"""The first token: made where there is none yet, shown once, with the command that posts a lead."""

from collections.abc import Callable

from router.domain.access import EVERY_TENANT, TokenRole, WrittenToken
from router.http.api import ApiService
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.tenants import all_tenants
from router.store.tokens import NewToken, any_token, create_token, new_token

NAME = "first"


class FirstTokenService(Periodic):
    """Makes it once the API answers. `say` shows it to the person who started us."""

    name = "first token"
    failing = "first token not made"
    interval_s = 3_600.0

    def __init__(self, api: ApiService, connections: Connections, say: Callable[[str], None], actor: str) -> None:
        self._api = api
        self._connections = connections
        self._say = say
        self._actor = actor

    async def once(self, life: Lifeline) -> None:
        """Where there is a token that holds, nothing."""
        while not self._api.address.started.is_set():
            if await life.pause(0.05):
                return
        async with self._connections.acquire(Part.CONSOLE) as conn:
            if await any_token(conn):
                return
            shown = new_token(EVERY_TENANT)
            await create_token(conn, shown, NewToken(NAME, TokenRole.ADMIN), self._actor)
            names = [tenant.name for tenant in await all_tenants(conn)]
        self._say(_words(shown, self._api.address.port, names))


def _words(shown: WrittenToken, port: int, tenants: list[str]) -> str:
    tenant = tenants[0] if tenants else "acme"
    first = "" if tenants else "  lead-router tenants add acme --time-zone Asia/Shanghai\n"
    return (
        "This token may do everything, in the console and over the API, and this is the only time it is shown "
        f"(lead-router tokens revoke {shown.token_id} ends it):\n\n  {shown}\n\nTo post a lead:\n\n{first}"
        f"  curl -H 'Authorization: Bearer {shown}' -H 'Content-Type: application/json' \\\n"
        '       -d \'{"source": "web", "external_id": "1", "name": "Ada", "phone": "+86 139 1234 5678"}\' \\\n'
        f"       'http://127.0.0.1:{port}/v1/leads?tenant={tenant}'\n"
    )
