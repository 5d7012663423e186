"""`make observe`: the demo's service with everything that watches it, for a person to look at, until Ctrl-C."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import click
from rich.console import Console

from loadtest.datasets.demo import LEADS, SEED
from loadtest.demo import TENANT, demonstrate
from loadtest.faults.server import reachable_folder
from loadtest.observe.program import ProgramFailed
from loadtest.observe.service import Service, ServiceEnded, service
from loadtest.observe.sink import WATCHDOG, Notice
from loadtest.observe.stream import leads_of_the_demo
from loadtest.observe.watching import Ports, Watching, ensure_installed, watching
from loadtest.ports import free_port_near
from loadtest.shell import PROJECT, CommandFailed
from ops.cli.context import EXIT_FOUND, console
from ops.embedded.servers import open_servers
from ops.embedded.urls import ServersError
from router.settings.model import Settings
from router.store.tenants import TenantUnknown, tenant_named

_USUAL = Ports(prometheus=9090, alertmanager=9093)


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default=Settings().data_dir)
@click.option("--times", type=click.IntRange(1, 15), default=1, help="So much faster than in production are the rules.")
def main(data_dir: Path, times: int) -> None:
    """Run the demo's service with Prometheus and Alertmanager, and show who is notified of what."""
    out = console()
    try:
        asyncio.run(_observe(data_dir, times, out))
    except (ProgramFailed, CommandFailed, ServersError, ServiceEnded) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_FOUND)
    except (KeyboardInterrupt, asyncio.CancelledError):
        out.print("\nstopped; the demo's data is kept", markup=False)


async def _observe(data_dir: Path, times: int, out: Console) -> None:
    """Until it is cancelled. Raises ProgramFailed, CommandFailed, ServersError, and ServiceEnded."""
    current = asyncio.current_task()
    assert current is not None
    # Ctrl-C, too: Python leaves it ignored in a process that a shell has begun in the background. A terminal that is
    # closed sends SIGHUP, which nohup has ignored on purpose.
    closed = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    for one in (signal.SIGINT, signal.SIGTERM, *closed):
        asyncio.get_running_loop().add_signal_handler(one, current.cancel)
    ensure_installed()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(reachable_folder("lead-router-observe-"))
        urls = await stack.enter_async_context(open_servers(Settings(data_dir=data_dir)))
        await _demo_is_there(urls.database, data_dir)
        serving = await stack.enter_async_context(service(urls, folder, times))
        ports = Ports(free_port_near(_USUAL.prometheus), free_port_near(_USUAL.alertmanager))
        watches = await stack.enter_async_context(watching(folder, [f"127.0.0.1:{serving.port}"], times, ports))
        watches.sink.heard = lambda notice: _show(out, notice)
        _welcome(out, serving, watches, times)
        stream = asyncio.create_task(leads_of_the_demo(urls.database, TENANT))
        stack.callback(stream.cancel)
        await serving.ended()


async def _demo_is_there(url: str, data_dir: Path) -> None:
    """Runs it where it has not run."""
    conn = await asyncpg.connect(url)
    try:
        await tenant_named(conn, TENANT)
    except TenantUnknown:
        await demonstrate(data_dir, LEADS, SEED)
    finally:
        await conn.close()


def _welcome(out: Console, serving: Service, watches: Watching, times: int) -> None:
    lines = (
        "",
        f"metrics       http://127.0.0.1:{serving.port}/metrics, and /readyz",
        f"API           http://127.0.0.1:{serving.api_port}/docs",
        f"Prometheus    {watches.prometheus.url}/alerts",
        f"Alertmanager  {watches.alertmanager.url}",
        f"Grafana       import {PROJECT}/config/grafana/*.json into yours (Dashboards, New, Import), with",
        f"              {watches.prometheus.url} as the data source",
        f"log           {serving.log}",
        "",
        f"Two leads a second come in. {_pace(times)}",
        "Below is what Alertmanager sends: pages to oncall, tickets to tickets. Ctrl-C ends everything.",
        "",
    )
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _pace(times: int) -> str:
    if times == 1:
        return "Alerts take as long as in production; with TIMES=15 they are 15 times as fast."
    return f"Alerts are {times} times as fast as in production."


def _show(out: Console, notice: Notice) -> None:
    """A line for what happened; what is new, also with its text and its runbook. Not the watchdog, which never ends."""
    if notice.name == WATCHDOG:
        return
    style = "green" if notice.resolved else "bold red" if notice.receiver == "oncall" else "yellow"
    what = "over: " if notice.resolved else ""
    line = f"{datetime.now(UTC):%H:%M:%S} UTC to {notice.receiver}: {what}{notice.name}: {notice.summary}"
    out.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
    if not notice.resolved:
        page = PROJECT / "runbooks/alerts" / f"{notice.name}.md"
        out.print(f"         {notice.description}\n         {page}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
