"""What goes on beside the reader's terminal while the commands of a page are typed: sessions of other programs, a
receiver, a server that others have filled. And the words of the page for what has another name each time.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.sink import a_sink
from tests.support import connected


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
