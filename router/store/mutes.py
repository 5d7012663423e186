"""Findings that somebody muted, as they are stored: one row each, with how bad it was then. Recorded in `change`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from router.domain.phrases import count
from router.store.changes import SERVICE, Change, record_change
from router.store.errors import TRANSIENT_ERRORS, server_of
from router.store.leads import database_clock
from router.store.other_server import NOT_ASKED
from router.store.statements import Connection, Row, load
from router.store.tenants import all_tenants
from router.store.transactions import retried
from router.telemetry.masking import mask_statement

_SQL = load("mutes")


@dataclass(frozen=True, slots=True)
class Muting:
    """A finding to be muted: its code, what it is about (`kind` and `subject`), and up to which severity, how many
    leads held back and how many such findings the mute holds. `tenant_id` 0 = it is about no single tenant.
    """

    tenant_id: int
    code: str
    kind: str
    subject: str
    severity: str
    held_back: int
    findings: int = 1

    @property
    def named(self) -> str:
        """How changes name it."""
        return f"{self.code}: {self.kind} {self.subject}"

    @property
    def bounds(self) -> str:
        """Up to what the mute holds."""
        number = f"{self.findings:,} findings, " if self.findings > 1 else ""
        leads = f" and {count(self.held_back, 'lead')} held back" if self.held_back else ""
        return f"up to {number}{self.severity}{leads}"


@dataclass(frozen=True, slots=True)
class Mute:
    """A mute that somebody made at `at`, until `until` (both UTC)."""

    of: Muting
    until: datetime
    actor: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """A mute that is to end, and why."""

    mute: Mute
    why: str


async def read_mutes(conn: Connection, tenant_ids: Sequence[int] | None = None) -> list[Mute]:
    """Those of some tenants and of the service, None = of all; also those whose time is over."""
    if tenant_ids is None:
        return [_mute(row) for row in await _SQL.all.fetch(conn)]
    return [_mute(row) for row in await _SQL.known.fetch(conn, tenant_ids=[SERVICE, *tenant_ids])]


async def mutes_there(conn: Connection, within_s: float) -> tuple[list[Mute], dict[int, str]]:
    """Those of all tenants and of the service, and, while a server with some does not answer, whose are missing: the
    server by tenant number. Asked for `within_s` seconds at the most.
    """
    try:
        return await read_mutes(conn), {}
    except TRANSIENT_ERRORS as error:
        if server_of(error) is None:
            raise
        from router.store.parts import ask_in_parts  # noqa: PLC0415 - with it comes NumPy, and rarely is it needed

        ids = [SERVICE, *(one.tenant_id for one in await all_tenants(conn))]
        result = await ask_in_parts(conn, ids, _of_these, within_s)
        missing = {key: one.server for key, one in result.away.items()} | dict.fromkeys(result.left, NOT_ASKED)
        if not missing:
            raise
        return result.found, missing


async def _of_these(conn: Connection, tenant_ids: Sequence[int]) -> list[Mute]:
    async with conn.transaction():
        return [_mute(row) for row in await _SQL.known.fetch(conn, tenant_ids=list(tenant_ids))]


async def claim_look(conn: Connection, every_s: float) -> bool:
    """Whether it is this instance's turn to see which mutes have ended: nobody did for `every_s` seconds."""
    return bool(await _SQL.claim.fetch(conn, now=await database_clock(conn), every_s=every_s))


@retried
async def mute(conn: Connection, findings: Sequence[Muting], span: timedelta, actor: str, why: str) -> datetime:
    """Mutes these findings for a span from now, in one transaction; returns until when. A mute in force is replaced."""
    async with conn.transaction():
        until, why = await database_clock(conn) + span, mask_statement(why)
        for one in findings:
            await _SQL.mute.row(conn, **asdict(one), until=until, actor=actor, why=why)
            after = f"until {until.astimezone(UTC).isoformat()}, {one.bounds}"
            await record_change(conn, one.tenant_id, Change(actor, "mute", one.named, "", after, why))
    return until


@retried
async def end_mutes(conn: Connection, endings: Sequence[Ending], actor: str) -> list[Ending]:
    """Ends these mutes, in one transaction; returns those that were still in force. `actor` = who found them over."""
    async with conn.transaction():
        ended = [ending for ending in endings if await _end(conn, ending.mute)]
        for one in ended:
            before = f"until {one.mute.until.astimezone(UTC).isoformat()}, by {one.mute.actor}: {one.mute.why}"
            change = Change(actor, "unmute", one.mute.of.named, before, "", one.why)
            await record_change(conn, one.mute.of.tenant_id, change)
    return ended


async def _end(conn: Connection, one: Mute) -> bool:
    of = one.of
    return bool(
        await _SQL.unmute.fetch(conn, tenant_id=of.tenant_id, code=of.code, kind=of.kind, subject=of.subject, at=one.at)
    )


def _mute(row: Row) -> Mute:
    of = Muting(*(row[field.name] for field in fields(Muting)))
    return Mute(of, row["until"], row["actor"], row["why"], row["at"])
