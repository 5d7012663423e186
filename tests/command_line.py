"""Commands of ours in the process of the test, on a given database."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import click
import structlog
from click.testing import CliRunner, Result

from ops.cli.context import Context
from ops.embedded.urls import Urls
from router.settings.model import Settings


class CommandLine:
    """A command, called as a user would. It runs in a thread, since it has an event loop of its own."""

    def __init__(
        self, command: click.Command, url: str, redis_url: str | None = None, settings: Settings | None = None
    ) -> None:
        @asynccontextmanager
        async def servers(_: Settings) -> AsyncIterator[Urls]:
            yield Urls(url, redis_url)

        self._command = command
        self._context = Context(settings or Settings(), servers)

    async def run(self, *arguments: str) -> Result:
        if not structlog.is_configured():
            # As in a process of its own: a line of the log, such as how far a long import is, is not in the document.
            structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
        return await asyncio.to_thread(CliRunner().invoke, self._command, arguments, obj=self._context)

    async def json(self, *arguments: str, code: int = 0) -> Any:
        """The document of `--json`; the command must end with this exit code."""
        result = await self.run(*arguments, "--json")
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)
