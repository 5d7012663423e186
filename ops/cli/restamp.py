"""`lead-router leads restamp`: creation times that a source stamped wrong are corrected, and the leads tried again."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, since, tenant_option, why_option
from ops.cli.screen import Screen
from ops.waiting.restamp import Done, Restamp
from ops.waiting.restamp_ask import Ask
from router.domain.phrases import count
from router.domain.shift import read_shift, shift_words
from router.domain.written_time import written
from router.store.errors import LOCK_TIMEOUTS
from router.store.leads import database_clock
from router.store.restamp import Stamped, Standing, has_source
from router.store.statements import Connection


def _shift(_ctx: click.Context, _param: click.Parameter, text: str) -> timedelta:
    found = read_shift(text)
    if found is None:
        raise click.BadParameter(f"invalid shift {text!r}: quarter hours up to 26h, e.g. +8h, -8h, +5h45m or -30m")
    return found


@click.command()
@tenant_option
@click.option("--source", required=True, metavar="S", help="Only leads of this source, as leads have it.")
@click.option(
    "--shift", required=True, metavar="+8h", callback=_shift, help="What is added to their creation times: +8h, -8h."
)
@click.option("--since", "begin", metavar="TIME", callback=since, help="Only leads accepted since a time, or 24h ago.")
@click.option("--again", is_flag=True, help="Also leads whose creation time was corrected before.")
@click.option("--dry-run", is_flag=True, help="Count what would be corrected, and change nothing.")
@why_option(required=True)
@json_option
@async_command
async def restamp(
    context: Context,
    /,
    *,
    tenant_name: str | None,
    source: str,
    shift: timedelta,
    begin: datetime | timedelta | None,
    again: bool,
    dry_run: bool,
    why: str,
    as_json: bool,
) -> int:
    """Correct the creation times of a source's waiting and parked leads, and have the waiting ones tried again.

    For leads whose source wrote another time zone than its mapping says. Correct the mapping first: this is about
    leads that are there. Only leads whose creation is nearer to their arrival afterwards, and not after it, are
    corrected; the others had right times. A lead is corrected once, unless --again. Assigned, closed and merged leads
    stay as they are, and which leads are repeats is not decided again: how many are merged into corrected ones is
    shown. Replays and audits know the times that earlier batches were decided with. Recorded among the changes.

    Exit code 1 when leads stayed because another session has them or the lane locked; run it again.

    \b
    Example:
      lead-router leads restamp --tenant acme --source form --shift +8h --dry-run --why "zone of the form was UTC"
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        if not await has_source(conn, tenant.tenant_id, source):
            raise CannotRun(f"tenant {tenant.name} has no lead of source {source!r}; write it as lead-router why does")
        ask = Ask(tenant, source, shift, await _instant(conn, begin), again)
        report = _Report(ask, dry_run, why)
        try:
            with _shown(hidden=as_json) as bar:
                work = Restamp(conn, lambda: secrets.randbits(63))
                await work.run(ask, current_user(), why, report.done, lambda: bar(report.done.seen), dry_run=dry_run)
        except LOCK_TIMEOUTS:
            report.lane_locked = True
        except asyncio.CancelledError:
            report.stopped = True
            raise
        finally:
            report.tell(as_json=as_json)
    return EXIT_FOUND if report.lane_locked or report.done.locked else 0


async def _instant(conn: Connection, begin: datetime | timedelta | None) -> datetime | None:
    return await database_clock(conn) - begin if isinstance(begin, timedelta) else begin


@contextmanager
def _shown(*, hidden: bool) -> Iterator[Any]:
    """How far it is, on stderr, on a terminal only."""
    screen = Screen(stderr=True)
    columns = (SpinnerColumn(), TextColumn("leads"), MofNCompleteColumn())
    with Progress(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal) as bar:
        task = bar.add_task("restamp", total=None)
        yield lambda seen: bar.update(task, completed=seen)


class _Report:
    """What would be, or was done, for people and machines."""

    def __init__(self, ask: Ask, dry_run: bool, why: str) -> None:
        self.ask = ask
        self.dry_run = dry_run
        self.done = Done()
        self.lane_locked = False
        self.stopped = False
        self._why = why

    def tell(self, *, as_json: bool) -> None:
        if as_json:
            print_json(self.document())
        else:
            self._print()

    @property
    def command(self) -> str | None:
        """What does it, after a dry run that found something."""
        return self.ask.command(self._why) if self.dry_run and self.done.total else None

    def document(self) -> dict[str, Any]:
        done = self.done
        return {
            "tenant": self.ask.tenant.name,
            "source": self.ask.source,
            "shift_s": int(self.ask.shift.total_seconds()),
            "dry_run": self.dry_run,
            "corrected": {standing.value: done.corrected[standing] for standing in Standing},
            "corrected_before": done.corrected_before,
            "not_explained": done.not_explained,
            "locked": done.locked,
            "repeats_not_decided_again": done.repeats,
            "lane_locked": self.lane_locked,
            "stopped": self.stopped,
            "example": None if done.example is None else self._example(done.example),
            "command": self.command,
        }

    def _example(self, lead: Stamped) -> dict[str, Any]:
        times = {"created_before": lead.created_at, "created_after": lead.created_at + self.ask.shift}
        times["received_at"] = lead.received_at
        return {"lead": lead.lead_id, **{name: at.astimezone(UTC).isoformat() for name, at in times.items()}}

    def _print(self) -> None:
        out = console()
        for line in self._lines():
            out.print(line)
        if self.done.locked:
            out.print(
                f"{count(self.done.locked, 'lead')} skipped: locked or moved by another session; run it again",
                style="yellow",
            )
        if self.lane_locked:
            out.print(
                f"the lane is locked; the remaining leads were not touched, run it again (lead-router status "
                f"--tenant {self.ask.tenant.name} shows the holder)",
                style="yellow",
            )

    def _lines(self) -> Iterator[str]:
        done, source = self.done, self.ask.source or "(none)"
        numbers = " and ".join(f"{done.corrected[one]:,} {one}" for one in Standing if done.corrected[one])
        if not done.total:
            yield f"no lead of source {source} to correct by {shift_words(self.ask.shift)}"
        else:
            verb = "would be corrected" if self.dry_run else "corrected"
            yield f"{numbers} of source {source} {verb} by {shift_words(self.ask.shift)}"
        if done.example is not None:
            yield f"for example {self._in_words(done.example)}"
        if done.corrected_before:
            yield f"{count(done.corrected_before, 'lead')} left out: corrected before (--again corrects them once more)"
        if done.not_explained:
            yield (
                f"{count(done.not_explained, 'lead')} left out: after it they would be created after their arrival, or "
                "farther from it than now"
            )
        if done.repeats:
            merged = count(done.repeats, "lead is", "leads are")
            yield (
                f"{merged} merged into these, and {'stays' if done.repeats == 1 else 'stay'} so: which leads are "
                "repeats is not decided again (lead-router leads unmerge LEAD; with a file: leads correct FILE)"
            )
        yield from self._last()

    def _last(self) -> Iterator[str]:
        tenant = self.ask.tenant.name
        if self.dry_run:
            yield "nothing changed (--dry-run)"
        if self.command is not None:
            yield f"do: {self.command}"
        elif self.stopped:
            yield "stopped before the end, run it again"
        if self.done.corrected[Standing.PARKED] and not self.dry_run:
            yield f"parked leads stay parked; lead-router retry --tenant {tenant} sends them back"

    def _in_words(self, lead: Stamped) -> str:
        was, after, arrived = (
            written(at, self.ask.tenant.time_zone, seconds=True)
            for at in (lead.created_at, lead.created_at + self.ask.shift, lead.received_at)
        )
        return f"lead {lead.lead_id}: created {was}, then {after}; it arrived {arrived}"
