"""What `lead-router replay` prints and writes."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ops.replay.document import notes
from ops.replay.picture import draw
from ops.replay.records import Skipped
from ops.replay.report import (
    LeadRow,
    Row,
    cap_rows,
    changes_by_kind,
    lead_rows,
    parked_rows,
    rep_rows,
    rule_rows,
    waiting_rows,
)
from ops.replay.run import Replayed
from ops.replay.spreadsheet import write_header, write_rows
from ops.replay.verify import Verified
from ops.text.spreadsheet import ENCODING
from router.domain.phrases import count
from router.domain.written_time import written, written_or_dash
from router.store.replay import lead_names
from router.store.statements import Connection
from router.store.tenants import Tenant

_LEADS_AT_ONCE = 5_000
_ROWS_SHOWN = 30
_SKIPPED_SHOWN = 5


def print_verified(out: Console, found: Verified, limit: int) -> None:
    """The result of --verify for people."""
    _print_skipped(out, found.skipped)
    for batch_no, one in found.differences[:limit]:
        out.print(f"batch {batch_no}, lead {one.lead_id}: recorded {one.recorded}, again {one.recomputed}")
    if found.data_differs:
        out.print(f"time zone or holiday data: {found.data_differs}", style="yellow")
    size = f"{count(found.batches, 'batch', 'batches')} with {count(found.leads, 'lead')} run again"
    if not found.differing:
        out.print(_without_difference(found, size), style="" if found.ok else "yellow")
        return
    shown = ", ".join(map(str, found.differing_batches[:10]))
    more = f" and {len(found.differing_batches) - 10:,} more" if len(found.differing_batches) > 10 else ""
    out.print(f"{size}; {count(found.differing, 'difference')} in batches {shown}{more}", style="red")


def _without_difference(found: Verified, size: str) -> str:
    if found.span is None:
        return "nothing was checked: there are no recorded batches in this time"
    if not found.batches:
        return "nothing was checked: none of the recorded batches can be run again"
    return f"OK: {size}; no difference" if found.ok else f"not all could be checked: {size}; no difference in these"


async def print_replayed(
    conn: Connection, out: Console, tenant: Tenant, found: Replayed, limit: int, csv_file: Path | None
) -> None:
    """The result for people."""
    _print_skipped(out, found.skipped)
    if found.span is None:
        out.print("there are no recorded batches in this time")
        return
    span, kinds = found.span, changes_by_kind(found)
    out.print(
        f"{count(span.batches, 'batch', 'batches')}, {count(span.leads, 'decision')}, "
        f"{written(span.first_at, tenant.time_zone)} to {written(span.last_at, tenant.time_zone)}; "
        f"{count(kinds.total(), 'lead')} would be elsewhere",
        style="bold",
    )
    out.print("".join(f"  {what}: {n:,}\n" for what, n in kinds.most_common()), end="")
    _print_rows(out, "rep", rep_rows(found))
    _print_rows(out, "rule", rule_rows(found))
    for cap, rows in cap_rows(found).items():
        _print_rows(out, f"reached {cap} (times)", rows)
    _print_rows(out, "waiting at the end", waiting_rows(found))
    _print_rows(out, "parked", parked_rows(found))
    await _print_leads(conn, out, tenant, found, limit, kinds.total(), csv_file)
    out.print()
    for note in notes(found):
        out.print(note, style="dim")


async def write_csv(conn: Connection, tenant: Tenant, found: Replayed, path: Path) -> None:
    """Every lead that differs. Raises OSError."""
    with path.open("w", encoding=ENCODING, newline="") as file:
        write_header(file)
        rows = lead_rows(found)
        while portion := list(islice(rows, _LEADS_AT_ONCE)):
            names = await lead_names(conn, tenant.tenant_id, [row.lead_id for row in portion])
            write_rows(file, portion, names)


def write_svg(tenant: Tenant, found: Replayed, path: Path) -> None:
    """The picture of leads per rep. Raises OSError."""
    when = "no recorded batches"
    if found.span is not None:
        first, last = (written(at, tenant.time_zone) for at in (found.span.first_at, found.span.last_at))
        when = f"{first} to {last}"
    different = count(changes_by_kind(found).total(), "lead")
    picture = draw(rep_rows(found), f"Leads per rep, {tenant.name}", f"{when}; {different} would be elsewhere")
    path.write_text(picture, encoding="utf-8")


def _print_skipped(out: Console, skipped: Skipped) -> None:
    if not skipped.count:
        return
    out.print(f"{count(skipped.count, 'batch', 'batches')} could not be run again:", style="yellow")
    for batch_no, why in skipped.reasons[:_SKIPPED_SHOWN]:
        out.print(f"  batch {batch_no}: {why}", style="yellow")
    if len(skipped.reasons) > _SKIPPED_SHOWN:
        out.print("  and more (--json lists the first 100)", style="yellow")


def _print_rows(out: Console, what: str, rows: Sequence[Row]) -> None:
    """A table of counts; what is the same in both comes last and is cut off first."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for title in (what, "before", "after", "difference"):
        table.add_column(title, justify="left" if title == what else "right")
    for row in rows[:_ROWS_SHOWN]:
        name = f"{row.name} ({row.label})" if row.label and row.label != row.name else row.name
        table.add_row(name, f"{row.before:,}", f"{row.after:,}", f"{row.difference:+,}" if row.difference else "0")
    out.print()
    out.print(table)
    if len(rows) > _ROWS_SHOWN:
        out.print(f"and {len(rows) - _ROWS_SHOWN:,} more with smaller differences", style="dim")


async def _print_leads(
    conn: Connection, out: Console, tenant: Tenant, found: Replayed, limit: int, total: int, csv_file: Path | None
) -> None:
    rows = list(islice(lead_rows(found), limit))
    if not rows:
        return
    names = await lead_names(conn, tenant.tenant_id, [row.lead_id for row in rows])
    table = Table(box=None, pad_edge=False)
    for title in ("lead", "external id", "what", "before", "after"):
        table.add_column(title)
    for row, before, after in _told(rows, tenant.time_zone):
        table.add_row(str(row.lead_id), names.get(row.lead_id, ("", ""))[1], row.change, before, after)
    out.print()
    out.print(table)
    if total > len(rows):
        where = f"all of them in {csv_file}" if csv_file else "--csv FILE writes all"
        out.print(f"the first {len(rows):,} of {total:,}; {where}", style="dim")


def _told(rows: Sequence[LeadRow], zone_name: str) -> Iterator[tuple[LeadRow, str, str]]:
    for row in rows:
        before = f"{row.before_rep} ({row.before_rule})" if row.before_rep else row.before_state
        after = f"{row.after_rep} ({row.after_rule})" if row.after_rep else row.after_state
        if row.change in ("earlier", "later"):
            before += f" {written_or_dash(row.before_at, zone_name)}"
            after += f" {written_or_dash(row.after_at, zone_name)}"
        yield row, before, after
