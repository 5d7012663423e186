"""What `lead-router doctor` says while the load goes on: when a finding came, and when it went."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import time

import asyncpg

from ops.doctor.diagnosis import Diagnosis, diagnose, diagnose_locked
from ops.doctor.finding import Finding, Severity
from router.drain.presence import Presence
from router.store.errors import LOCK_TIMEOUTS, TRANSIENT_ERRORS

EVERY_S = 2.0
# Of servers that live for a run only.
_NOT_OF_THE_LOAD = frozenset({"fsync"})


@dataclass(slots=True)
class Said:
    """A finding: from when to when it was said (seconds of the run; `until_s` None = to the end)."""

    code: str
    severity: str
    sentence: str
    command: str
    since_s: float
    until_s: float | None = None


@dataclass
class Doctor:
    """Asks until it is cancelled; `said` has every finding that was worse than a hint, in the order of their coming."""

    conn: asyncpg.Connection
    redis: str | None
    tenant: str
    begin: float
    said: list[Said] = field(default_factory=list)
    asked: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Never returns."""
        async with aclosing(Presence(self.redis, once=True)) as presence:
            while True:
                await self._ask(presence)
                await asyncio.sleep(EVERY_S)

    async def _ask(self, presence: Presence) -> None:
        at_s = time() - self.begin
        try:
            seen = await self._diagnosed(presence)
        except TRANSIENT_ERRORS as error:
            self.failed.append(f"{at_s:.0f} s: {type(error).__name__}: {error}")
            return
        self.asked += 1
        self.note(at_s, [one for one in seen.findings if _counts(one)])

    async def _diagnosed(self, presence: Presence) -> Diagnosis:
        clock: Callable[[], datetime] = partial(datetime.now, UTC)
        try:
            return await diagnose(self.conn, presence, clock, self.tenant)
        except LOCK_TIMEOUTS as error:
            return await diagnose_locked(self.conn, error, clock())

    def note(self, at_s: float, findings: list[Finding]) -> None:
        """What is said now; what was said before and is not any more has ended."""
        now = {(one.code, str(one.severity)): one for one in findings}
        for said in self.said:
            if said.until_s is None and (said.code, said.severity) not in now:
                said.until_s = at_s
        open_now = {(said.code, said.severity) for said in self.said if said.until_s is None}
        for key, one in now.items():
            if key not in open_now:
                self.said.append(Said(*key, one.sentence, str(one.command or ""), at_s))


def _counts(finding: Finding) -> bool:
    return finding.severity in (Severity.CRITICAL, Severity.WARNING) and finding.subject.name not in _NOT_OF_THE_LOAD
