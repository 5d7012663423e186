"""What must hold whatever was done: looked at all the while in snapshots, and at the end to the last lead."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from loadtest.faults.people import PASSED, SQL, Caller, Ledger, Session
from ops.audit.audit import audit
from router.drain.quarantine import CRASHED

_LOOK_S = 30.0
_PAUSE_MOST_S = 5.0
_EXAMPLES = 20


@dataclass(slots=True)
class Findings:
    """Broken promises, as sentences; empty = all is well."""

    told: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        if len(self.told) < _EXAMPLES:
            self.told.append(sentence)


async def conserved(conn: Session, ledger: Ledger, sample: int = 20) -> list[str]:
    """Everything acknowledged is there once, and the audit finds nothing; returns what is broken.

    The audit holds: each lead in one state, one owner each, loads with the inbox equal to a recount, caps as of every
    batch by the flight records, and `sample` of them decided again.
    """
    found = Findings(await missing(conn, ledger))
    rows = await SQL.blamed.fetch(conn, detail=CRASHED)
    if rows:
        found.add(f"{rows[0]['found']} innocent leads are parked for crashes: {rows[0]['example']}")
    await _audited(conn, sample, found)
    return found.told


async def missing(conn: Session, ledger: Ledger) -> list[str]:
    """What was acknowledged and is not there, as a sentence for each tenant."""
    told = []
    for tenant_id, leads in ledger.acknowledged.items():
        rows = await SQL.not_as_acknowledged.fetch(
            conn,
            tenant_id=tenant_id,
            sources=[source for source, _ in leads],
            external_ids=[external_id for _, external_id in leads],
            lead_ids=list(leads.values()),
        )
        if rows:
            told.append(f"{rows[0]['found']} acknowledged leads are not there: {rows[0]['example']}")
    return told


async def _audited(conn: Session, sample: int, found: Findings) -> int:
    """Adds the audit's violations; returns the stored leads."""
    seen = await audit(conn, sample=sample)
    for one in seen.violations:
        # While a fault has put the clock back, all that was just done is of a time to come.
        if one.kind.name == "time_to_come" and not sample:
            continue
        found.add(f"{one.kind.name} {one.count}: {'; '.join(one.examples[:2])}")
    # Without those in journals: one that was stored all the same, and was kept since nobody could say so, counts twice.
    return seen.accepted - seen.states["journalled"]


async def snapshot(conn: Session, accepted_before: int, found: Findings) -> int:
    """One look while everything runs: the audit, caps of now, and nothing accepted is gone. Returns the accepted."""
    rows = await SQL.over_cap.fetch(conn)
    if rows:
        found.add(f"over_cap {rows[0]['found']}: {rows[0]['example']}")
    accepted = await _audited(conn, 0, found)
    if accepted < accepted_before:
        found.add(f"accepted leads fell from {accepted_before} to {accepted}")
    return accepted


@dataclass
class Monitor:
    """Looks again and again until told to stop; what keeps it from looking is a fault of somebody's, not a finding."""

    url: str
    every_s: float = 0.25
    looks: int = 0
    accepted: int = 0
    findings: Findings = field(default_factory=Findings)

    async def run(self, stop: asyncio.Event) -> None:
        caller = Caller(self.url)
        try:
            while not stop.is_set():
                begin = monotonic()
                try:
                    async with asyncio.timeout(_LOOK_S):
                        self.accepted = await snapshot(await caller.session(), self.accepted, self.findings)
                    self.looks += 1
                except PASSED as error:
                    caller.lost(error)
                # A fifth of the time at most, so that looking is no fault by itself; a look that met a lock took long.
                pause_s = min(_PAUSE_MOST_S, max(self.every_s, 4 * (monotonic() - begin)))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
        finally:
            await caller.close()
