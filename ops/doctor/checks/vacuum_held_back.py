"""Long transactions, prepared ones, standbys and replication slots keep vacuum from removing dead rows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_duration
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
    short = held.since is not None and scene.at - held.since < _LONG
    return Finding(
        CODE,
        Severity.INFO if short else Severity.WARNING,
        Subject(held.kind, held.name),
        _sentence(held, scene),
        (_row(held),),
        held.since,
        f"lead-router blockers --terminate {held.name}" if held.kind == "transaction" else None,
    )


def _sentence(held: HeldBack, scene: Scene) -> Worded:
    said = _who(held)
    if held.since:
        said += worded(" for {lasts}", lasts=worded_duration((scene.at - held.since).total_seconds()))
    said += worded(
        ": vacuum removes nothing that {transactions:,} transactions since have deleted",
        transactions=held.transactions,
    )
    if not held.wal_bytes:
        return said
    return said + worded(", and {megabytes:,} MB of the server's log are kept for it", megabytes=held.wal_bytes >> 20)


def _who(held: HeldBack) -> Worded:
    if held.kind == "transaction":
        return worded(
            "{who} (process {pid}, {role}) has a transaction open",
            who=held.of_what or worded("a session without a name"),
            pid=held.name,
            role=held.role or "?",
        )
    if held.kind == "prepared":
        return worded(
            "prepared transaction {name} of {role} is neither committed nor rolled back",
            name=held.name,
            role=held.role,
        )
    if held.kind == "standby":
        return worded(
            "standby {name} ({where}) reports a query that old (hot_standby_feedback)",
            name=held.name,
            where=held.of_what or worded("local"),
        )
    if held.state == "in use":
        return worded("replication slot {name} is in use, and behind", name=held.name)
    return worded("replication slot {name} is not in use, and behind", name=held.name)


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
