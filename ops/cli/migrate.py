"""`lead-router migrate`."""

import click

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json, tell
from ops.embedded.servers import (
    apply_and_distribute,
    apply_migrations,
    open_unmigrated,
    pending_migrations,
    steps_to_distribute,
)
from router.store.distribution import Step, as_script


@click.command(epilog="Example: lead-router migrate --check")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when something is pending.")
@click.option(
    "--distribute",
    is_flag=True,
    help="Also spread the tables over the servers of Citus, by tenant; needs the extension citus.",
)
@click.option("--dry-run", is_flag=True, help="With --distribute: change nothing, print the SQL; works without Citus.")
@json_option
@async_command
async def migrate(context: Context, check: bool, distribute: bool, dry_run: bool, as_json: bool) -> None:
    """Brings the database's schema up to this version.

    Without a configured database it makes an embedded one, where there is none yet (not with --check or --distribute).

    Once tables are distributed, every later run distributes the new ones, too.
    """
    if dry_run and not distribute:
        raise CannotRun("--dry-run prints the SQL of --distribute: name both, or use --check")
    async with open_unmigrated(context.settings, create=not (check or distribute), tell=tell) as urls:
        if not (check or dry_run):
            if distribute:
                ids, tables = await apply_and_distribute(urls.database)
                _show_done(ids, tables, as_json)
            else:
                _show_done(await apply_migrations(urls.database), None, as_json)
            return
        ids = await pending_migrations(context.settings, urls)
        if distribute and ids:
            raise Found(f"pending: {', '.join(ids)}; run `lead-router migrate` first, then look again")
        steps = await steps_to_distribute(context.settings, urls, needs_citus=not dry_run) if distribute else None
    if dry_run:
        _show_script(steps or [], as_json)
    else:
        _show_pending(ids, steps, as_json)


def _show_done(ids: list[str], tables: list[str] | None, as_json: bool) -> None:
    if as_json:
        print_json({"applied": ids} | ({} if tables is None else {"distributed": tables}))
        return
    console().print(f"applied: {', '.join(ids)}" if ids else "the schema is up to date")
    if tables is not None:
        console().print(f"distributed: {', '.join(tables)}" if tables else "all tables are distributed")


def _show_script(steps: list[Step], as_json: bool) -> None:
    if as_json:
        print_json({"tables": [step.table for step in steps if step.table], "sql": as_script(steps)})
    else:
        click.echo(as_script(steps))


def _show_pending(ids: list[str], steps: list[Step] | None, as_json: bool) -> None:
    tables = [step.table for step in steps or () if step.table]
    if as_json:
        print_json({"pending": ids} | ({} if steps is None else {"to_distribute": tables}))
    if ids:
        raise Found(f"pending: {', '.join(ids)}; run `lead-router migrate`")
    if steps:
        what = f"not distributed: {', '.join(tables)}" if tables else "the database has not all settings yet"
        raise Found(f"{what}; run `lead-router migrate --distribute`")
    if not as_json:
        console().print("the schema is up to date" + ("" if steps is None else ", all tables are distributed"))
