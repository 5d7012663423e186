"""Runs of foreign maintenance for people and machines. The keys stay as they are: scripts read them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from router.domain.phrases import count, duration
from router.domain.written_time import written
from router.store.changes import SERVICE
from router.store.maintenance import LATE, Run


def who(run: Run) -> str:
    """The script, and the role it works with."""
    return f"{run.name} (role {run.role})"


def state(run: Run) -> str:
    """What it is doing, in words."""
    if run.has_turn and run.until is not None:
        return f"has the turn until {written(run.until, seconds=True)}"
    if run.late > LATE:
        return f"has not given its turn back, {duration(run.late.total_seconds())} after its end"
    if run.turn is not None:
        return "its turn lapsed"
    return f"waits: {run.refused_why}" if not run.turns else "has no turn"


def summary(run: Run) -> str:
    """What it did: turns, rows, and what went wrong."""
    parts = [f"{count(run.removed, 'row')} removed in {count(run.turns, 'turn')}"]
    if run.refusals:
        parts.append(f"{count(run.refusals, 'time')} not now")
    if run.lapses:
        parts.append(f"{count(run.lapses, 'turn')} never given back")
    if run.overruns:
        parts.append(f"{count(run.overruns, 'turn')} given back late, by up to {duration(run.overrun_s)}")
    return ", ".join(parts)


def line(run: Run, names: Mapping[int, str]) -> str:
    """For people, in one line; `names` of tenants by number."""
    whose = "all tenants" if run.tenant_id == SERVICE else names.get(run.tenant_id, "?")
    return f"{whose}: {who(run)} {state(run)}; {summary(run)}; last at {written(run.last_at)}"


def document(run: Run, names: Mapping[int, str]) -> dict[str, Any]:
    """For machines; `names` of tenants by number. tenant null = for all tenants."""
    return {
        "tenant": None if run.tenant_id == SERVICE else names.get(run.tenant_id),
        "name": run.name,
        "role": run.role,
        "began_at": _time(run.began_at),
        "last_at": _time(run.last_at),
        "has_turn": run.has_turn,
        "turn": run.turn,
        "turn_at": _time(run.turn_at),
        "until": _time(run.until),
        "late_s": round(run.late.total_seconds()),
        "budget": run.budget,
        "turns": run.turns,
        "removed": run.removed,
        "not_now": run.refusals,
        "reason": run.refused_why or None,
        "lapsed": run.lapses,
        "overruns": run.overruns,
        "longest_overrun_s": round(run.overrun_s),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
