"""What people and instances changed by a command or by configuration: recorded with who and why."""

from dataclasses import dataclass

from router.store.errors import TRANSIENT_ERRORS
from router.store.statements import Connection, load
from router.store.transactions import with_lock_timeout

_SQL = load("changes")

_LOCK_TIMEOUT_S = 2.0

SERVICE = 0
"""The tenant number of changes that concern the service as a whole."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `actor` is a person or an instance; `subject` what was changed, `before` and `after` how it was and
    became; empty = says nothing.
    """

    actor: str
    action: str
    subject: str = ""
    before: str = ""
    after: str = ""
    why: str = ""


def the_lead(lead_id: int) -> str:
    """How changes name a lead as their subject."""
    return f"lead {lead_id}"


async def record_change(conn: Connection, tenant_id: int, change: Change) -> None:
    """Records a change, in the transaction of the caller, so that it stands there exactly when it was done."""
    await _SQL.record.execute(conn, tenant_id=tenant_id, **_texts(change))


async def record_part(conn: Connection, tenant_id: int, change: Change, number: int | None) -> int:
    """The same for a change that is made in several transactions: one entry, whose `after` grows. `number` = what the
    first part returned (None = this is the first).
    """
    if number is None:
        first: int = await _SQL.record_first.value(conn, tenant_id=tenant_id, **_texts(change))
        return first
    await _SQL.go_on.execute(conn, tenant_id=tenant_id, id=number, after=_text(change.after))
    return number


async def record_if_possible(conn: Connection, tenant_id: int, change: Change) -> str | None:
    """Records what was done already, waiting for a lock only for moments; returns why it could not be."""
    bounded = with_lock_timeout(conn, _LOCK_TIMEOUT_S)
    try:
        async with bounded.transaction():
            await record_change(bounded, tenant_id, change)
    except TRANSIENT_ERRORS as error:
        return str(error) or type(error).__name__
    return None


def _texts(change: Change) -> dict[str, str]:
    return {name: _text(getattr(change, name)) for name in Change.__dataclass_fields__}


def _text(words: str) -> str:
    return words.replace("\x00", "")
