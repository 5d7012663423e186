"""Tenants: who owns leads, reps and rules, and in which zone a business day is."""

import re
from dataclasses import dataclass, replace

import asyncpg

from router.domain.calendar import zone
from router.domain.phrases import listed, suggestion
from router.store.changes import Change, record_change
from router.store.statements import Connection, load
from router.store.transactions import retried

_SQL = load("tenants")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_NAMES_SHOWN = 10


class TenantError(ValueError):
    """A tenant cannot be created as asked: its name or its time zone is wrong."""


class TenantExists(TenantError):
    """The name is taken by a tenant in another time zone."""


class TenantUnknown(LookupError):
    """No tenant has this name; the message says which there are."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(_unknown_message(name, known))
        self.name = name

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and the versions in force of its roster, ruleset and rates (0 = none yet)."""

    tenant_id: int
    name: str
    time_zone: str
    roster: int = 0
    ruleset: int = 0
    rates: int = 0


@retried
async def add(conn: Connection, name: str, time_zone: str, *, actor: str = "") -> Tenant:
    """Creates the tenant and its lane in one transaction; the same again returns the tenant that is there.

    With `actor` it is recorded who did. Raises TenantError for a bad name or an unknown zone, TenantExists when the
    tenant has another zone.
    """
    _check_name(name)
    _check_zone(time_zone)
    async with conn.transaction():
        created = await _SQL.add.row(conn, name=name, time_zone=time_zone)
        row = created or await _SQL.by_name.row(conn, name=name)
        assert row is not None
        tenant = _tenant(row)
        if tenant.time_zone != time_zone:
            raise TenantExists(
                f"tenant {name!r} exists in time zone {tenant.time_zone}, not {time_zone}; "
                f"without leads it can be moved: lead-router tenants set {name} --time-zone {time_zone}; "
                "else use another name"
            )
        await _SQL.add_lane.execute(conn, tenant_id=tenant.tenant_id)
        if created is not None and actor:
            change = Change(actor, "tenants add", tenant.name, "", f"time zone {time_zone}")
            await record_change(conn, tenant.tenant_id, change)
    return tenant


@retried
async def rename(conn: Connection, tenant: Tenant, name: str, *, actor: str, why: str = "") -> Tenant:
    """Gives the tenant another name, recorded. Raises TenantError for a bad name, TenantExists where it is taken."""
    _check_name(name)
    async with conn.transaction():
        if name != tenant.name:
            if await _SQL.rename.value(conn, tenant_id=tenant.tenant_id, name=name) is None:
                raise TenantExists(f"tenant {name!r} exists; choose another name")
            await record_change(conn, tenant.tenant_id, Change(actor, "tenants rename", "name", tenant.name, name, why))
    return replace(tenant, name=name)


async def zone_of_no_leads(conn: Connection, tenant: Tenant, time_zone: str, *, actor: str, why: str = "") -> None:
    """Moves the business day of a tenant without leads, recorded, in the caller's transaction. Raises TenantError where
    it is no zone, or where the tenant has, or had, leads.
    """
    _check_zone(time_zone)
    await _SQL.hold.row(conn, tenant_id=tenant.tenant_id)
    if await _SQL.had_leads.value(conn, tenant_id=tenant.tenant_id):
        raise TenantError(
            f"tenant {tenant.name} has leads, or had: its business days cannot be moved. Add another tenant in "
            f"{time_zone}, and import the leads there"
        )
    await _SQL.set_zone.execute(conn, tenant_id=tenant.tenant_id, time_zone=time_zone)
    change = Change(actor, "tenants set", "time zone", tenant.time_zone, time_zone, why)
    await record_change(conn, tenant.tenant_id, change)


async def tenant_named(conn: Connection, name: str) -> Tenant:
    """The tenant of that name. Raises TenantUnknown."""
    row = await _SQL.by_name.row(conn, name=name)
    if row is None:
        raise TenantUnknown(name, [t.name for t in await all_tenants(conn)])
    return _tenant(row)


async def tenant_numbered(conn: Connection, tenant_id: int) -> Tenant | None:
    """The tenant with that number."""
    row = await _SQL.by_number.row(conn, tenant_id=tenant_id)
    return None if row is None else _tenant(row)


async def all_tenants(conn: Connection) -> list[Tenant]:
    """Every tenant, the oldest first."""
    return [_tenant(row) for row in await _SQL.all.fetch(conn)]


def _tenant(row: asyncpg.Record) -> Tenant:
    return Tenant(
        tenant_id=row["tenant_id"],
        name=row["name"],
        time_zone=row["time_zone"],
        roster=row["roster"],
        ruleset=row["ruleset"],
        rates=row["rates"],
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise TenantError(
            f"tenant name {name!r}: use 1 to 63 of the characters A-Z a-z 0-9 . _ -, the first one a letter or a digit"
        )


def _check_zone(time_zone: str) -> None:
    try:
        zone(time_zone)
    except ValueError as error:
        raise TenantError(str(error)) from None


def _unknown_message(name: str, known: list[str]) -> str:
    if not known:
        return f"there is no tenant {name!r}, nor any other; lead-router tenants add NAME --time-zone ZONE"
    meant = suggestion(name, known)
    guess = f"did you mean {meant}? " if meant else ""
    return f"there is no tenant {name!r}; {guess}known tenants: {listed(known, _NAMES_SHOWN)}"
