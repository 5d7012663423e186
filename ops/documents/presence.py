"""A rep's heartbeat, for rules that ask for presence: what the command and the API do."""

import asyncio

from router.drain.presence import heartbeat_key
from router.drain.redis_client import DEADLINE_S, described, open_redis
from router.store.roster import knows_rep
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant


class NoPresence(Exception):
    """Nobody's presence counts here, or there is no such rep; the message says what to do."""


class PresenceUnknown(Exception):
    """Redis does not respond, or refuses (it is full, or read-only); nothing changed."""


async def tell_presence(conn: Connection, redis_url: str | None, tenant: Tenant, rep_id: str, *, away: bool) -> float:
    """Records that a rep is present, or `away`; returns for how many seconds that counts.

    Raises NoPresence and PresenceUnknown.
    """
    if redis_url is None:
        raise NoPresence("no Redis is configured: set LEAD_ROUTER_REDIS_URL")
    ttl_s = await _ttl_s(conn, tenant, rep_id)
    redis = open_redis(redis_url)
    key = heartbeat_key(tenant.name, rep_id)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await (redis.delete(key) if away else redis.set(key, "1", px=round(ttl_s * 1000)))
    except Exception as error:  # whatever Redis says, or does not say
        raise PresenceUnknown(f"Redis did not take it: {described(error)}; nothing changed") from error
    finally:
        await redis.aclose()
    return ttl_s


async def _ttl_s(conn: Connection, tenant: Tenant, rep_id: str) -> float:
    """For how long a heartbeat counts."""
    spec = (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).presence if tenant.ruleset else None
    if spec is None:
        raise NoPresence(f"the rules of {tenant.name} do not use presence (presence: groups, ttl)")
    if not await knows_rep(conn, tenant.tenant_id, rep_id):
        raise NoPresence(f"unknown rep {rep_id!r}; lead-router reps list --tenant {tenant.name}")
    return spec.ttl.total_seconds()
