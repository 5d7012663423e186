"""`lead-router reps present`: a rep's heartbeat, for rules that ask for presence."""

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import require_tenant, tenant_option
from router.drain.presence import heartbeat_key, open_redis, unreachable_errors
from router.store.roster import knows_rep
from router.store.rulesets import load_ruleset
from router.store.statements import Connection


@click.command()
@click.argument("rep_id")
@tenant_option
@click.option("--away", is_flag=True, help="The rep leaves: no longer present, at once.")
@json_option
@async_command
async def present(context: Context, rep_id: str, tenant_name: str, away: bool, as_json: bool) -> None:
    """Record that a rep is present, for as long as `presence.ttl` of the rules says. Repeat it before that is over.

    \b
    Example:
      lead-router reps present r017 --tenant acme
    """
    async with context.connected() as (conn, urls):
        if urls.redis is None:
            raise CannotRun("no Redis is configured: set LEAD_ROUTER_REDIS_URL")
        ttl_s = await _ttl_s(conn, tenant_name, rep_id)
        redis = open_redis(urls.redis)
        key = heartbeat_key(tenant_name, rep_id)
        try:
            await (redis.delete(key) if away else redis.set(key, "1", px=round(ttl_s * 1000)))
        except unreachable_errors() as error:
            raise Found(f"Redis does not respond: {error}; nothing changed") from error
        finally:
            await redis.aclose()
    if as_json:
        print_json({"rep_id": rep_id, "present": not away, "seconds": None if away else ttl_s})
    else:
        console().print(f"rep {rep_id} is away" if away else f"rep {rep_id} is present for {ttl_s:g} s")


async def _ttl_s(conn: Connection, tenant_name: str, rep_id: str) -> float:
    """For how long a heartbeat counts. Raises CannotRun."""
    tenant = await require_tenant(conn, tenant_name)
    spec = (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).presence if tenant.ruleset else None
    if spec is None:
        raise CannotRun(f"the rules of {tenant_name} do not use presence (presence: groups, ttl)")
    if not await knows_rep(conn, tenant.tenant_id, rep_id):
        raise CannotRun(f"unknown rep {rep_id!r}; lead-router reps list --tenant {tenant_name}")
    return spec.ttl.total_seconds()
