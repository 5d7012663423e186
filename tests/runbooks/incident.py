"""A fault on a real database, and an on-call engineer who does what the page says, word by word."""

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from ops.cli import main
from ops.doctor.look import all_checks
from ops.runbooks.page import Command, Language, Page, Purpose, filled, placeholders
from router.domain.reason import Reason
from router.settings.model import Settings
from tests.command_line import CommandLine
from tests.e2e.commands import lead_router
from tests.findings import in_chinese
from tests.runbooks.lint import OTHER_PROGRAMS
from tests.support import until

_OF_COMMAND = re.compile(r"`(?P<word>[^`]+)` of the finding's command")
_OF_FINDING = re.compile(r"`(?P<path>[^`]+)` of the finding")
_OF_OUTPUT = re.compile(r"`(?P<path>[^`]+)` of `(?P<command>lead-router [^`]+ --json)`")
_CONFIRMED_WITHIN = 5
_GIVES_UP_S = 120.0
"""Each look is a whole command, which on a busy machine takes seconds."""
_FINE, _FOUND = 0, 1
_ITS_OWN_PROCESS = ("drain",)
"""Commands that take signals: not in a thread."""


async def nothing() -> None:
    """What happens by itself where nothing does."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault that is there now, at the database `url`.

    `chosen` = values of placeholders that the page leaves to a person, `by_itself` = what the service does after the
    fix, `left_out` = why commands that begin so are not run. `environment` is for commands in a process of their own.
    """

    name: str
    url: str
    conn: asyncpg.Connection
    by_itself: Callable[[], Awaitable[Any]] = nothing
    chosen: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    settings: Settings | None = None

    async def is_there(self) -> dict[str, Any] | None:
        """The finding, or what leads wait or are parked for, as the command line has it; None = it is over."""
        if self.name in set(Reason) and self.name != Reason.DATABASE_BUSY:
            _, output = await self.ours("status", "--json")
            tenant = json.loads(output)["tenants"][0]
            return next((part for part in tenant["waiting"] + tenant["parked"] if part["reason"] == self.name), None)
        only = ("--only", self.name) if self.name in all_checks() else ()
        _, output = await self.ours("doctor", *only, "--json")
        found = next((one for one in json.loads(output)["findings"] if one["code"] == self.name), None)
        if found is not None and self.name in all_checks():
            in_chinese(found)
        return found

    async def ours(self, *words: str) -> tuple[int, str]:
        """Exit code and stdout of a command of lead-router; it must not fail in a way that nobody foresaw."""
        if words[0] in _ITS_OWN_PROCESS:
            code, output, _ = await lead_router(*words, LEAD_ROUTER_DATABASE_URL=self.url)
            return code, output
        done = await CommandLine(main, self.url, settings=self.settings).run(*words)
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
        return done.exit_code, done.stdout if words[-1] == "--json" else done.output


class OnCall:
    """Somebody who has the page, and nothing else."""

    def __init__(self, page: Page, incident: Incident) -> None:
        self._page = page
        self._incident = incident
        self._values: dict[str, str] = dict(incident.chosen)
        self._found: dict[str, Any] = {}
        self.ran: list[Command] = []

    async def cures(self) -> None:
        """Does what the page says, from the first look until the fault is gone."""
        await self.looks()
        await self.fixes()
        await self.confirms()

    async def looks(self) -> None:
        """The fault is there, and stays there whatever the page has one look at."""
        incident = self._incident

        async def there() -> bool:
            self._found = await incident.is_there() or {}
            return bool(self._found)

        await until(there, f"{incident.name} is there", _GIVES_UP_S)
        await self._values_of(Purpose.FIX)
        await self._run(Purpose.CHECK)
        assert await incident.is_there(), "looking has changed something"

    async def fixes(self) -> None:
        """Types what the page has for it; then the service goes on by itself."""
        await self._run(Purpose.FIX)
        await self._incident.by_itself()

    async def confirms(self) -> None:
        """The fault is gone, and the page's own commands say so."""

        async def gone() -> bool:
            return await self._incident.is_there() is None

        await until(gone, f"{self._incident.name} is gone", _GIVES_UP_S)
        # What a service looks at once a second may need another look: people confirm again, too.
        for attempt in range(_CONFIRMED_WITHIN):
            try:
                await self._run(Purpose.VERIFY)
            except AssertionError:
                if attempt == _CONFIRMED_WITHIN - 1:
                    raise
                await until(gone, f"{self._incident.name} is gone for good", _GIVES_UP_S)
            else:
                break

    def of(self, purpose: Purpose) -> list[Command]:
        """The page's commands for this purpose, without those that are left out."""
        return [one for one in self._page.commands if one.purpose is purpose and not self._is_left_out(one)]

    def _is_left_out(self, command: Command) -> bool:
        other = command.language is Language.SHELL and command.text.split(maxsplit=1)[0] in OTHER_PROGRAMS
        return other or command.text.startswith(tuple(self._incident.left_out))

    async def _run(self, purpose: Purpose) -> None:
        for command in self.of(purpose):
            text = await self._filled(command.text)
            if command.language is Language.SQL:
                await self._incident.conn.fetch(text)
            else:
                program, *words = shlex.split(text)
                assert program == "lead-router"
                code, output = await self._incident.ours(*words)
                assert code in ({_FINE, _FOUND} if purpose is Purpose.CHECK else {_FINE}), (text, code, output)
            self.ran.append(command)

    async def _values_of(self, purpose: Purpose) -> None:
        """Before anything changes: afterwards the finding may not have them any more."""
        for command in self.of(purpose):
            await self._filled(command.text)

    async def _filled(self, text: str) -> str:
        for name in placeholders(text):
            if name not in self._values:
                self._values[name] = await self._value(name)
        return filled(text, self._values)

    async def _value(self, name: str) -> str:
        """As the page declares under 'Fill in'."""
        if name == "TENANT":
            return self._tenant()
        where = self._page.fill_in[name]
        if found := _OF_COMMAND.search(where):
            return _after(found["word"], shlex.split(self._found["command"]))
        if found := _OF_FINDING.search(where):
            return _at(found["path"], self._found)
        found = _OF_OUTPUT.search(where)
        assert found, f"{name} is for a person to choose: {where}"
        _, *words = shlex.split(await self._filled(found["command"]))
        _, output = await self._incident.ours(*words)
        return _at(found["path"], json.loads(output))

    def _tenant(self) -> str:
        subject = self._found.get("subject", {"kind": "", "name": ""})
        return str(subject["name"]).partition("/")[0] if subject["kind"] in ("tenant", "webhook") else "acme"


def _after(word: str, words: list[str]) -> str:
    """The value of an option, or the word after another one."""
    for option in words:
        if option.startswith(f"{word}="):
            return option.partition("=")[2]
    return words[words.index(word) + 1]


def _at(path: str, document: Any) -> str:
    """What is at a path such as `leads.0.lead_id`; of evidence, in the first row that has it."""
    for key in path.split("."):
        if key.isdigit():
            document = document[int(key)]
        elif isinstance(document, list):
            document = next(row[key] for row in document if key in row)
        else:
            document = document[key]
    return str(document)
