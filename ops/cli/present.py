"""`lead-router reps present`: a rep's heartbeat, for rules that ask for presence."""

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import require_tenant, tenant_option
from ops.documents.presence import NoPresence, PresenceUnknown, tell_presence


@click.command()
@click.argument("rep_id")
@tenant_option
@click.option("--away", is_flag=True, help="The rep leaves: no longer present, at once.")
@json_option
@async_command
async def present(context: Context, rep_id: str, tenant_name: str | None, away: bool, as_json: bool) -> None:
    """Record that a rep is present, for as long as `presence.ttl` of the rules says. Repeat it before that is over.

    \b
    Example:
      lead-router reps present r017 --tenant acme
    """
    async with context.connected() as (conn, urls):
        tenant = await require_tenant(conn, tenant_name)
        try:
            ttl_s = await tell_presence(conn, urls.redis, tenant, rep_id, away=away)
        except NoPresence as error:
            raise CannotRun(str(error)) from error
        except PresenceUnknown as error:
            raise Found(str(error)) from error
    if as_json:
        print_json({"rep_id": rep_id, "present": not away, "seconds": None if away else ttl_s})
    else:
        console().print(f"rep {rep_id} is away" if away else f"rep {rep_id} is present for {ttl_s:g} s")
