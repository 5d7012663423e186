"""`lead-router migrate`."""

import click

from ops.cli.context import Context, Found, async_command, console, json_option, print_json, tell
from ops.embedded.servers import apply_migrations, open_unmigrated, pending_migrations


@click.command(epilog="Example: lead-router migrate --check")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when something is pending.")
@json_option
@async_command
async def migrate(context: Context, check: bool, as_json: bool) -> None:
    """Brings the database's schema up to this version.

    Without a configured database it makes an embedded one, where there is none yet (not with --check).
    """
    async with open_unmigrated(context.settings, create=not check, tell=tell) as urls:
        ids = await (pending_migrations(context.settings, urls) if check else apply_migrations(urls.database))
    if as_json:
        print_json({"pending" if check else "applied": ids})
    elif not check:
        console().print(f"applied: {', '.join(ids)}" if ids else "the schema is up to date")
    if check and ids:
        raise Found(f"pending: {', '.join(ids)}; run `lead-router migrate`")
    if check and not as_json:
        console().print("the schema is up to date")
