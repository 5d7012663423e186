"""`lead-router drain`: route what can be routed now."""

import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import filter_option
from ops.cli.screen import Screen
from router.domain.phrases import count
from router.drain.drain import Drain
from router.drain.outcome import Drained
from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.drain.until_idle import Idle, drain_until_idle
from router.runtime.signals import stop_on_signals
from router.store.connections.connections import Connections, Part, open_connections
from router.store.tenants import Tenant, TenantUnknown, all_tenants, tenant_named


@click.command()
@click.option("--until-idle", is_flag=True, required=True, help="Go on until no more leads can be routed, then exit.")
@filter_option("Only this tenant (default: all).")
@click.option("--patience", default=5.0, show_default=True, metavar="SECONDS", help="Wait this long for locked leads.")
@json_option
@async_command
async def drain(
    context: Context, until_idle: bool, tenant_name: str | None, patience: float, as_json: bool
) -> int | None:
    """Route all leads that can be routed now, print a summary, and exit.

    Exit code 1 when leads stayed behind because another session has them or the lane locked. Ctrl-C or SIGTERM
    finishes the batch and exits with 0.

    \b
    Example:
      lead-router drain --until-idle --tenant acme
    """
    settings = context.settings
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True

    async with (
        AsyncExitStack() as closing,
        context.open() as urls,
        open_connections(urls.database, settings.connections) as connections,
    ):
        tenants = await _chosen(connections, tenant_name)
        presence = Presence(urls.redis)
        closing.push_async_callback(presence.aclose)
        router = Drain(
            connections,
            lambda: secrets.randbits(63),
            request=BatchRequest(ready=settings.drain.batch_leads),
            presence=presence,
        )
        begin = perf_counter()
        with stop_on_signals(stop, settings.supervision.stop_deadline_s), _ProgressLine(as_json) as show:
            left = await drain_until_idle(
                router,
                [tenant.tenant_id for tenant in tenants],
                patience_s=patience,
                concurrency=min(settings.drain.concurrency, settings.connections.maximum),
                stop=lambda: stopping,
                progress=show.add,
            )
        summary = Summary(tenants, left, perf_counter() - begin)
    if as_json:
        print_json(summary.document())
    else:
        summary.print(console())
    return None if summary.clean else EXIT_FOUND


async def _chosen(connections: Connections, name: str | None) -> list[Tenant]:
    async with connections.acquire(Part.CONSOLE) as conn:
        try:
            return await all_tenants(conn) if name is None else [await tenant_named(conn, name)]
        except TenantUnknown as error:
            raise CannotRun(str(error)) from error


class _ProgressLine:
    """A line on stderr while it runs, on a terminal only."""

    def __init__(self, quiet: bool) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed:,.0f} leads decided"),
            TimeElapsedColumn(),
            console=Screen(stderr=True),
            transient=True,
            disable=quiet or not Screen(stderr=True).is_terminal,
        )
        self._task = self._bar.add_task("drain", total=None)

    def __enter__(self) -> "_ProgressLine":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def add(self, done: Drained) -> None:
        self._bar.advance(self._task, done.leads)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the command did, for people and machines."""

    tenants: Sequence[Tenant]
    left: Sequence[Idle]
    seconds: float

    @property
    def clean(self) -> bool:
        return all(idle.clean for idle in self.left)

    @property
    def stopped(self) -> bool:
        return any(idle.stopped for idle in self.left)

    def document(self) -> dict[str, object]:
        done = self._total()
        return {
            "assigned": done.assigned,
            "refused": {reason.value: n for reason, n in sorted(done.refused.items())},
            "parked": {reason.value: n for reason, n in sorted(done.parked.items())},
            "batches": done.batches,
            "seconds": round(self.seconds, 3),
            "leads_per_s": round(done.leads / self.seconds, 1) if self.seconds else None,
            "idle": self.clean and not self.stopped,
            "stopped": self.stopped,
            "left_behind": [
                {
                    "tenant": tenant.name,
                    "locked_leads": idle.locked_leads,
                    "lane_locked": idle.busy,
                    "paused": idle.paused,
                    "waiting_leads_locked": idle.drained.stuck,
                    "failure": idle.failure,
                }
                for tenant, idle in zip(self.tenants, self.left, strict=True)
                if idle.paused or not idle.clean
            ],
        }

    def print(self, out: Console) -> None:
        done = self._total()
        pace = f", {done.leads / self.seconds:,.0f} leads/s" if done.leads and self.seconds else ""
        out.print(
            f"{done.assigned:,} assigned in {count(done.batches, 'batch', 'batches')} and {self.seconds:.2f} s{pace}"
        )
        for verb, counts in (("left waiting", done.refused), ("parked", done.parked)):
            for reason, n in sorted(counts.items()):
                out.print(f"{n:,} {verb}: {reason.value}")
        for tenant, idle in zip(self.tenants, self.left, strict=True):
            for line in _left_behind(tenant, idle):
                out.print(line)
        if self.stopped:
            out.print("stopped by a signal before all leads were routed; run it again")
        elif self.clean:
            out.print("done: nothing else can be assigned right now")

    def _total(self) -> Drained:
        total = Drained(refused=Counter(), parked=Counter())
        for idle in self.left:
            total = total + idle.drained
        return total


def _left_behind(tenant: Tenant, idle: Idle) -> list[str]:
    name = tenant.name
    lines = []
    if idle.paused and not tenant.ruleset:
        lines.append(f"{name}: has no rules yet; lead-router rules apply FILE --tenant {name}")
    elif idle.paused:
        lines.append(f"{name}: is paused; lead-router resume {name}")
    if idle.locked_leads:
        lines.append(f"{name}: {count(idle.locked_leads, 'ready lead')} locked by another session")
    if idle.drained.stuck:
        lines.append(f"{name}: waiting leads that a rep could take are locked by another session")
    if idle.busy:
        lines.append(f"{name}: another session holds the lane and makes no progress")
    if idle.failure:
        lines.append(f"{name}: the last batch was rolled back: {idle.failure}")
    return lines
