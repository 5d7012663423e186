"""Blocking sessions for machines. The keys stay as they are: scripts read them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from typing import Any

from router.domain.worded import parts_of
from router.store.blocking.elsewhere import Party, Wait
from router.store.blocking.judge import Activity, Blocker
from router.store.blocking.work import work_elsewhere, work_of

# The keys of the JSON document, in their order.
_HINDRANCE = ("kind", "words", "parts", "tables", "mode", "rows", "tenants")


def document(found: list[Blocker], seen: Activity) -> dict[str, Any]:
    """The JSON document."""
    shown = {
        "blockers": [_blocker(one) for one in found],
        "notes": list(map(str, seen.notes)),
        "notes_parts": list(map(parts_of, seen.notes)),
        "done": None,
    }
    return shown | ({"elsewhere": [_wait(one, seen.elsewhere) for one in seen.elsewhere]} if seen.elsewhere else {})


def _wait(wait: Wait, waits: Sequence[Wait]) -> dict[str, Any]:
    return {
        "waiting": _party(wait.waiting),
        "blocking": _party(wait.blocking),
        "do": wait.ends_it,
        "work": work_elsewhere(wait, waits),
    }


def _party(party: Party) -> dict[str, Any]:
    return {
        "pid": party.pid,
        "server": party.server,
        "application": party.application,
        "user": party.role,
        "ours": party.ours,
        "state": party.state or None,
        "query": party.query or None,
        "since": party.since and party.since.astimezone(UTC).isoformat(),
    }


def _blocker(blocker: Blocker) -> dict[str, Any]:
    session = blocker.session
    parts = [
        asdict(one) | {"words": str(one.words), "parts": parts_of(one.words), "mode": one.mode or None}
        for one in blocker.blocks
    ]
    return {
        "pid": session.pid,
        "application": session.application,
        "user": session.role,
        "client": session.client or None,
        "backend": session.backend,
        "ours": session.ours,
        "state": session.state or None,
        "waits_on": session.wait or None,
        "waits_for": session.waits_for,
        "query": session.query or None,
        "visible": session.visible,
        "since": session.since and session.since.astimezone(UTC).isoformat(),
        "open_s": None if session.open_s is None else round(session.open_s, 3),
        "snapshot_age": session.snapshot_age,
        "holds_leads": blocker.holds_leads,
        "do": blocker.remedy,
        "work": work_of(session, [one.kind for one in blocker.blocks]),
        "hindrances": [{key: one[key] for key in _HINDRANCE} for one in parts],
    }
