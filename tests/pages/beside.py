"""What goes on beside the reader's terminal while the commands of a page are typed: sessions of other programs, a
receiver, a server that others have filled. And the words of the page for what has another name each time.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg

from loadtest.faults.clock import install_clock, set_clock_ahead
from loadtest.faults.server import fault_server
from router.store.migrate import migrate
from tests.e2e.commands import PROJECT
from tests.pages.transcript import blocks
from tests.sink import a_sink
from tests.support import connected, until
from tests.world import make_tenant, simple_reps


@dataclass(frozen=True, slots=True)
class Around:
    """`words` = what the page calls something, and what it is really called this time: numbers of processes, ports.
    `environment` = what is configured in the terminal.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def typed(self, command: str) -> str:
        """The command of the page with the real names."""
        return _replaced(command, self.words)

    def read(self, line: str) -> str:
        """A line that was printed, with the page's names."""
        return _replaced(line, {real: shown for shown, real in self.words.items()})


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """All at once, so that what stands for one word is not taken for another; whole words only."""
    if not words:
        return text
    either = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(rf"(?<![\w-])(?:{either})(?![\w-])", lambda found: words[found[0]], text)


Beside = Callable[[Path, str], AbstractAsyncContextManager[Around]]
"""With the folder of the terminal and the URL of the scene's database, until the last command has ended."""


@asynccontextmanager
async def nothing(folder: Path, url: str) -> AsyncIterator[Around]:
    """As for most pages."""
    yield Around()


@asynccontextmanager
async def session(url: str, application: str, *statements: str) -> AsyncIterator[asyncpg.Connection]:
    """Of another program; it may be ended."""
    conn = await asyncpg.connect(url, server_settings={"application_name": application})
    try:
        for statement in statements:
            await conn.execute(statement)
        yield conn
    finally:
        # Where it was ended it may not have heard of it yet.
        with suppress(OSError):
            await conn.close()


@asynccontextmanager
async def locks(folder: Path, url: str) -> AsyncIterator[Around]:
    """A forgotten console has a table locked, and a cleanup job the rows of 800 leads."""
    cleaning = "select * from lead_pool where tenant_id = 1 order by lead_id limit 800 for update"
    async with connected(url) as conn:
        role = await conn.fetchval("select current_user")
    async with (
        session(url, "nightly-cleanup", "begin", cleaning) as job,
        session(url, "psql", "begin", "lock table parked in exclusive mode") as console,
    ):
        yield Around({"14488": str(job.get_server_pid()), "14489": str(console.get_server_pid()), "postgres": role})


@asynccontextmanager
async def receiver(folder: Path, url: str) -> AsyncIterator[Around]:
    """The CRM's, on a port of this host, which deliveries may therefore go to."""
    async with a_sink() as sink:
        here = sink.url.partition("/hook")[0].replace("127.0.0.1", "localhost")
        yield Around({"https://crm.example.com": here}, {"LEAD_ROUTER_WEBHOOKS_PRIVATE_ADDRESSES": "allowed"})
        assert [body["type"] for body, _, _ in sink.got] == ["webhook.test"], "the page's event has not come"


IDLE, IN_TRANSACTION, ROUTERS = 71, 17, 8
CONNECTIONS = "docs/operating.md"


@asynccontextmanager
async def full_server(folder: Path, url: str) -> AsyncIterator[Around]:
    """A server of its own, whose connections a CRM has nearly all, most of them idle for three hours."""
    place = folder / "server"
    place.mkdir(mode=0o755)
    async with fault_server(place, {"max_connections": "100"}) as server, AsyncExitStack() as others:
        async with connected(server.url()) as admin:
            await admin.execute("create database leads")
            for role in ("crm", "router"):
                await admin.execute(f"create role {role} login")
            for statement in _for_on_call():
                await admin.execute(statement)
        ours = server.url("leads")
        await migrate(ours)
        async with connected(ours) as admin:
            await make_tenant(admin, simple_reps(1))
            await install_clock(admin)
            await set_clock_ahead(admin, timedelta(hours=3, minutes=12))
            await admin.execute("create database crm owner crm")
            await admin.execute("grant usage on schema clock to public")
            await admin.execute("grant select on clock.ahead to public")
        crm = server.url("crm").replace("postgres@", "crm@")
        for number in range(IDLE + IN_TRANSACTION):
            at_work = ("begin",) if number < IN_TRANSACTION else ()
            await others.enter_async_context(session(crm, "crm", *at_work, "select 1"))
        for _ in range(ROUTERS):
            router = ours.replace("postgres@", "router@")
            await others.enter_async_context(session(router, "lead-router 8 host-1-77", "select 1"))
        report = await others.enter_async_context(session(ours, "psql"))
        running = asyncio.create_task(report.execute("select pg_sleep(3600)"))
        others.push_async_callback(_ended, running)
        async with connected(ours) as admin:
            busy = "select exists (select from pg_stat_activity where application_name = 'psql' and state = 'active')"
            await until(lambda: admin.fetchval(busy), "the report runs")
        on_call = ours.replace("postgres@", "on_call@")
        yield Around({"postgresql://on_call@db/leads": f"'{on_call}'"}, {"LEAD_ROUTER_DATABASE_URL": ours})


def _for_on_call() -> list[str]:
    """The page's own statements."""
    text = (PROJECT / CONNECTIONS).read_text(encoding="utf-8")
    [block] = [one for one in blocks(text) if one.language == "sql" and "create role on_call" in "\n".join(one.lines)]
    without_comments = "\n".join(line.partition("--")[0] for line in block.lines)
    return [statement for statement in map(str.strip, without_comments.split(";")) if statement]


async def _ended(running: asyncio.Task[str]) -> None:
    running.cancel()
    with suppress(asyncio.CancelledError, OSError, asyncpg.PostgresError):
        await running
