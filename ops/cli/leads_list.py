"""`lead-router leads list`."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
import msgspec

from ops.cli.context import CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.csv_output import csv_option, writing_csv
from ops.cli.options import instant, require_tenant, since, tenant_option
from ops.cli.progress import progress_of
from ops.listing.cursor import CursorInvalid
from ops.listing.lead_filter import REASONS, FiltersConflict, LeadFilter, State
from ops.listing.lead_row import LeadRow, Person
from ops.listing.leads import MOST_IN_A_PAGE, GroupUnknown, Page, list_leads
from router.domain.phrases import count
from router.domain.reason import Reason
from router.domain.written_time import in_column, written_soon
from router.drain.presence import Presence
from router.store.engines import Engines
from router.store.leads import database_clock
from router.store.roster import RepUnknown
from router.store.statements import Connection
from router.store.tenants import Tenant

if TYPE_CHECKING:
    from rich.table import Table

_LIMIT = 100
_TITLES = ("lead", "source", "external id", "state", "since", "reason", "waits for", "next chance", "rep", "accepted")
_TIMES = ("since", "accepted")
_ROWS_AT_ONCE = 2_000
_PERSON = Person.__struct_fields__
COLUMNS = (*(name for name in LeadRow.__struct_fields__ if name != "person"), *_PERSON)
"""Of the CSV: all that the JSON has, too."""


@click.command("list")
@tenant_option
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only leads in this state.")
@click.option(
    "--reason", metavar="R", type=click.Choice(REASONS), help="Only leads that wait, or are parked, for this reason."
)
@click.option("--rep", metavar="REP", help="Only leads that this rep (rep_id) has now.")
@click.option("--group", metavar="G", help="Only leads that wait for a rep of this group.")
@click.option("--source", metavar="S", help="Only leads of this source.")
@click.option("--since", "begin", metavar="TIME", callback=since, help="Only leads accepted since: a time, or 24h ago.")
@click.option("--until", metavar="TIME", callback=instant, help="Only leads accepted before this time.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"At most N leads. Default: {_LIMIT}; with --csv all of them.",
)
@click.option("--after", metavar="CURSOR", help="Go on after a former page: its `next`.")
@csv_option
@json_option
@async_command
async def list_(
    context: Context,
    /,
    *,
    tenant_name: str | None,
    state: str | None,
    reason: str | None,
    rep: str | None,
    group: str | None,
    source: str | None,
    begin: datetime | timedelta | None,
    until: datetime | None,
    limit: int | None,
    after: str | None,
    csv_file: str | None,
    as_json: bool,
) -> None:
    """List leads, newest first: where each is, who has it, and what it waits for.

    The options combine; what cannot be combined is refused. Of more than --limit leads the end names the cursor with
    which the next page begins. The CSV also has names, phones and e-mail addresses.

    \b
    Example:
      lead-router leads list --tenant acme --state waiting --reason nobody_available
      lead-router leads list --tenant acme --rep r017 --csv r017.csv
    """
    if csv_file is not None and as_json:
        raise click.UsageError("--csv and --json: one of them at a time")
    if as_json and limit is not None and limit > MOST_IN_A_PAGE:
        raise click.UsageError(
            f"--limit: a page has at most {MOST_IN_A_PAGE:,} leads; go on with --after, or use --csv"
        )
    async with context.present() as (conn, presence):
        tenant = await require_tenant(conn, tenant_name)
        first = await database_clock(conn) - begin if isinstance(begin, timedelta) else begin
        where = State(state) if state else None
        asked = LeadFilter(state=where, reason=reason, rep=rep, group=group, source=source, since=first, until=until)
        pages = _Pages(conn, presence, tenant, asked)
        try:
            if csv_file is not None:
                await _write_csv(pages, csv_file, limit, after)
            elif as_json:
                print_json(_document(tenant, await pages.one(after, limit or _LIMIT)))
            else:
                await _print(pages, limit or _LIMIT, after, tenant.time_zone)
        except FiltersConflict as error:
            raise click.UsageError(str(error)) from error
        except CursorInvalid as error:
            raise CannotRun(f"--after: {error}") from error
        except RepUnknown as error:
            raise CannotRun(f"--rep: {error}") from error
        except GroupUnknown as error:
            raise CannotRun(f"--group: {error}") from error


class _Pages:
    """The pages of one list; rules and roster are read once."""

    def __init__(self, conn: Connection, presence: Presence, tenant: Tenant, asked: LeadFilter) -> None:
        self._conn = conn
        self._presence = presence
        self._tenant_id = tenant.tenant_id
        self._asked = asked
        self._engines = Engines(1)

    async def one(self, after: str | None, limit: int) -> Page:
        return await list_leads(
            self._conn, self._presence, self._tenant_id, self._asked, after=after, limit=limit, engines=self._engines
        )

    async def all(self, after: str | None, limit: int | None) -> AsyncIterator[Page]:
        """Until there are no more, or `limit` leads were shown."""
        while True:
            page = await self.one(after, _ROWS_AT_ONCE if limit is None else min(limit, _ROWS_AT_ONCE))
            yield page
            limit = None if limit is None else limit - len(page.leads)
            after = page.next
            if after is None or limit == 0:
                return


def _document(tenant: Tenant, page: Page) -> dict[str, object]:
    return {"tenant": tenant.name, **msgspec.to_builtins(page)}


async def _write_csv(pages: _Pages, csv_file: str, limit: int | None, after: str | None) -> None:
    with writing_csv(csv_file, COLUMNS) as sheet, progress_of("leads", None, hidden=sheet.is_screen) as bar:
        async for page in pages.all(after, limit):
            sheet.write(map(_cells, page.leads))
            bar(sheet.rows)
    sheet.report("lead")


def _cells(lead: LeadRow) -> list[object]:
    return [getattr(lead.person if name in _PERSON else lead, name) for name in COLUMNS]


async def _print(pages: _Pages, limit: int, after: str | None, zone_name: str) -> None:
    out, shown = console(), list[LeadRow]()
    page = None
    async for page in pages.all(after, limit):
        shown += page.leads
    if page is None or not shown:
        out.print("no lead matches")
        return
    out.print(_table(shown, page.as_of, zone_name))
    if page.next is not None:
        out.print(
            f"the newest {count(len(shown), 'lead')}; there are more: --after {page.next}, --limit, or --csv FILE"
        )


def _chance(lead: LeadRow, now: datetime, zone_name: str) -> str:
    """When somebody can take it, and who; else when the rules are tried again or it is parked."""
    if lead.next_chance_at is not None and (lead.next_chance_reps or lead.reason == Reason.PAUSED):
        when = written_soon(lead.next_chance_at, now, zone_name)
        return f"{when}: {lead.next_chance_reps}" if lead.next_chance_reps else when
    again = lead.next_chance_at or lead.next_attempt_at
    if again is None:
        return "-"
    if lead.parks_at is None or again < lead.parks_at:
        return f"rules tried again {written_soon(again, now, zone_name)}"
    return f"parked {written_soon(lead.parks_at, now, zone_name)}"


def _table(leads: list[LeadRow], now: datetime, zone_name: str) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - `--csv` and `--json` need none

    table = Table(box=None, pad_edge=False)
    for title in _TITLES:
        table.add_column(f"{title} ({zone_name})" if title in _TIMES else title)
    for lead in leads:
        whose = f"{lead.rep_id} {lead.rep_name or ''}".strip() if lead.rep_id else "-"
        waits = lead.waits_for or lead.detail or (f"merged into {lead.merged_into}" if lead.merged_into else "-")
        table.add_row(
            str(lead.lead_id),
            lead.source or "-",
            lead.external_id,
            str(lead.state or "none"),
            in_column(lead.state_since, zone_name),
            lead.reason or lead.outcome or "-",
            waits,
            _chance(lead, now, zone_name),
            whose,
            in_column(lead.accepted_at, zone_name),
        )
    return table
