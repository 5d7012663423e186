"""Long transactions, prepared ones, and replication slots that nobody uses keep vacuum from removing dead rows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.phrases import duration
from router.store.upkeep import HeldBack, vacuum_held_back_by

CODE = "vacuum_held_back"
_LONG = timedelta(hours=1)
# A replica that is started anew is back sooner.
_SLOT_AGE = 1_000_000
_SLOT_BYTES = 1 << 30


async def look(scene: Scene) -> Sequence[Finding]:
    held = await vacuum_held_back_by(scene.conn, scene.at - _LONG, _SLOT_AGE, _SLOT_BYTES)
    return [finding(one, scene) for one in held[:10]]


def finding(held: HeldBack, scene: Scene) -> Finding:
    """What is to be said of one of them."""
    who, command = _who(held)
    since = f" for {duration((scene.at - held.since).total_seconds())}" if held.since else ""
    wal = f", and {held.wal_bytes >> 20:,} MB of the server's log are kept for it" if held.wal_bytes else ""
    return Finding(
        CODE,
        Severity.WARNING,
        Subject(held.kind, held.name),
        f"{who}{since}: vacuum removes nothing that {held.transactions:,} transactions since have deleted{wal}",
        (_row(held),),
        held.since,
        command,
    )


def _who(held: HeldBack) -> tuple[str, str | None]:
    """In words, and what shows more of it."""
    if held.kind == "transaction":
        named = f"{held.of_what or 'a session without a name'} (process {held.name}, {held.role or '?'})"
        return f"{named} has a transaction open", "lead-router blockers"
    if held.kind == "prepared":
        return f"prepared transaction {held.name} of {held.role} is neither committed nor rolled back", None
    return f"replication slot {held.name} is not in use", None


def _row(held: HeldBack) -> dict[str, Any]:
    return {
        "kind": held.kind,
        "name": held.name,
        "application": held.of_what,
        "role": held.role,
        "state": held.state,
        "since": held.since and held.since.isoformat(timespec="seconds"),
        "transactions": held.transactions,
    }
