"""`lead-router replay`: recorded batches once more, unchanged or with other rules, reps and caps."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.new_files import cannot_write, new_files
from ops.cli.options import require_tenant, since, tenant_option
from ops.cli.replay_output import print_replayed, print_verified, write_csv, write_svg
from ops.cli.rules_shared import read
from ops.cli.screen import Screen
from ops.replay.document import document, verified_document
from ops.replay.overrides import BadOverride, Override, read_override
from ops.replay.records import Progress
from ops.replay.run import Replayed, replay
from ops.replay.variants import Changes
from ops.replay.verify import verify
from router.drain.request import BatchRequest
from router.rules.file import ZoneDiffers
from router.store.leads import database_clock
from router.store.replay import recorded_leads
from router.store.statements import Connection
from router.store.tenants import Tenant

Time = datetime | timedelta | None


def _overrides(_ctx: click.Context, _param: click.Parameter, texts: Sequence[str]) -> list[Override]:
    try:
        return [read_override(text) for text in texts]
    except BadOverride as error:
        raise click.BadParameter(str(error)) from error


@click.command("replay")
@tenant_option
@click.option("--rules", "rules_file", type=click.Path(path_type=Path), metavar="FILE", help="Decide by these rules.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_overrides,
    metavar="WHAT=VALUE",
    help="rep.REP_ID.FIELD=VALUE or defaults.FIELD=VALUE; may be repeated.",
)
@click.option("--since", "begin", metavar="TIME", callback=since, help="From a time on, or since 24h ago.")
@click.option("--until", "end", metavar="TIME", callback=since, help="Up to a time, or up to 1h ago.")
@click.option("--verify", "verifies", is_flag=True, help="Change nothing, compare: exit code 1 = not all alike.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Every lead that differs.")
@click.option("--svg", "svg_file", type=click.Path(dir_okay=False, path_type=Path), help="A picture: leads per rep.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Show the first N leads.")
@json_option
@async_command
async def replay_(
    context: Context,
    /,
    *,
    tenant_name: str | None,
    rules_file: Path | None,
    overrides: list[Override],
    begin: Time,
    end: Time,
    verifies: bool,
    csv_file: Path | None,
    svg_file: Path | None,
    limit: int,
    as_json: bool,
) -> int:
    """Run recorded batches again, with other rules, reps or caps, and show what would have been different.

    Writes nothing to the database. FIELD of a rep: available, active, max_open, max_per_day, weight, working_hours,
    leave, holidays, time_zone, groups, regions, industries; of defaults: max_open, max_per_day.

    \b
    Example:
      lead-router replay --tenant acme --verify
      lead-router replay --tenant acme --rules new.yaml --since 7d --csv differences.csv --svg reps.svg
      lead-router replay --tenant acme --set rep.r1.available=no --set rep.r2.max_open=50
    """
    changed = rules_file is not None or bool(overrides)
    if verifies and (changed or csv_file or svg_file):
        raise click.UsageError("--verify changes nothing: it goes without --rules, --set, --csv and --svg")
    if not verifies and not changed:
        raise click.UsageError("say what to change: --rules FILE or --set …; or --verify to change nothing")
    rules = None if rules_file is None else read(rules_file, as_json).rules
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        first, last = await _times(conn, begin, end)
        total = await recorded_leads(conn, tenant.tenant_id, first, last)
        if verifies:
            with _bar(total, hidden=as_json) as progress:
                checked = await verify(conn, tenant, first, last, progress)
            print_json(verified_document(checked)) if as_json else print_verified(console(), checked, limit)
            return 0 if checked.ok else EXIT_FOUND
        request = BatchRequest(ready=context.settings.drain.batch_leads)
        with new_files(csv_file, svg_file) as drafts:
            try:
                with _bar(total, hidden=as_json) as progress:
                    found = await replay(conn, tenant, Changes(rules, overrides), first, last, request, progress)
            except BadOverride as error:
                raise CannotRun(f"--set: {error}") from error
            except ZoneDiffers as error:
                raise Found(f"{rules_file}: {error}") from error
            await _write(conn, tenant, found, csv_file, svg_file, drafts)
        if as_json:
            print_json(await document(conn, tenant, found, limit))
        else:
            await print_replayed(conn, console(), tenant, found, limit, csv_file)
    return 0


async def _times(conn: Connection, begin: Time, end: Time) -> tuple[datetime | None, datetime | None]:
    now = await database_clock(conn)
    first, last = (now - at if isinstance(at, timedelta) else at for at in (begin, end))
    if first is not None and last is not None and first >= last:
        raise CannotRun("--since must be before --until")
    return first, last


async def _write(
    conn: Connection,
    tenant: Tenant,
    found: Replayed,
    csv_file: Path | None,
    svg_file: Path | None,
    drafts: Mapping[Path, Path],
) -> None:
    try:
        if (path := csv_file) is not None:
            await write_csv(conn, tenant, found, drafts[path])
        if (path := svg_file) is not None:
            write_svg(tenant, found, drafts[path])
    except OSError as error:
        assert path is not None
        raise cannot_write(path, error) from error


@contextmanager
def _bar(leads: int, *, hidden: bool) -> Iterator[Progress]:
    """How many leads are done, on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - slow
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    screen = Screen(stderr=True)
    with Bar(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal) as bar:
        task = bar.add_task("leads", total=leads)

        def advance(more: int) -> None:
            bar.update(task, advance=more)

        yield advance
