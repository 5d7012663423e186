"""Long transactions, prepared ones, standbys and replication slots keep vacuum from removing dead rows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.phrases import duration
from router.store.upkeep import HeldBack, vacuum_held_back_by

CODE = "vacuum_held_back"
# From when on it is said, and from when on it wants somebody. docs/performance.md has what ten minutes cost.
_NOTED = timedelta(minutes=10)
_LONG = timedelta(hours=1)
# A replica that is started anew is back sooner.
_AGE = 1_000_000
_SLOT_BYTES = 1 << 30


async def look(scene: Scene) -> Sequence[Finding]:
    held = await vacuum_held_back_by(scene.conn, scene.at - _NOTED, _AGE, _SLOT_BYTES)
    return [finding(one, scene) for one in held[:10]]


def finding(held: HeldBack, scene: Scene) -> Finding:
    """What is to be said of one of them."""
    who, command = _who(held)
    since = f" for {duration((scene.at - held.since).total_seconds())}" if held.since else ""
    wal = f", and {held.wal_bytes >> 20:,} MB of the server's log are kept for it" if held.wal_bytes else ""
    short = held.since is not None and scene.at - held.since < _LONG
    return Finding(
        CODE,
        Severity.INFO if short else Severity.WARNING,
        Subject(held.kind, held.name),
        f"{who}{since}: vacuum removes nothing that {held.transactions:,} transactions since have deleted{wal}",
        (_row(held),),
        held.since,
        command,
    )


def _who(held: HeldBack) -> tuple[str, str | None]:
    """In words, and the command of ours that ends it, where there is one."""
    if held.kind == "transaction":
        named = f"{held.of_what or 'a session without a name'} (process {held.name}, {held.role or '?'})"
        return f"{named} has a transaction open", f"lead-router blockers --terminate {held.name}"
    if held.kind == "prepared":
        return f"prepared transaction {held.name} of {held.role} is neither committed nor rolled back", None
    if held.kind == "standby":
        return f"standby {held.name} ({held.of_what or 'local'}) reports a query that old (hot_standby_feedback)", None
    return f"replication slot {held.name} is {held.state}, and behind", None


def _row(held: HeldBack) -> dict[str, Any]:
    ends_it = _ends_it(held)
    return {
        "kind": held.kind,
        "name": held.name,
        "application": held.of_what,
        "role": held.role,
        "state": held.state,
        "since": held.since and held.since.isoformat(timespec="seconds"),
        "transactions": held.transactions,
        **({"ends_it": ends_it} if ends_it else {}),
    }


def _ends_it(held: HeldBack) -> str | None:
    """The statement, for what no command of ours ends: whether nobody needs it any more, a person must know."""
    quoted = "'" + held.name.replace("'", "''") + "'"
    if held.kind == "prepared":
        return f"rollback prepared {quoted}"
    if held.kind == "slot" and held.state == "not in use":
        return f"select pg_drop_replication_slot({quoted})"
    return None
