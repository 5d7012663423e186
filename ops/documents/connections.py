"""Sessions of the server for machines, and which of them are to be ended; for the command and the API."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from router.domain.phrases import count, duration, listed, suggestion
from router.store.connections.client_sessions import ClientSession, Which, chosen
from router.store.connections.end_idle import Ended, named
from router.store.connections.server_capacity import ServerCapacity

HIDDEN = "what they do is hidden from our role: grant pg_read_all_stats to it"
GRANT = "grant pg_signal_backend to our role (superusers' sessions need a superuser)"
_KEYS = ("application", "user", "database", "state", "ours")


class NothingToEnd(Exception):
    """No session is to be ended; the message says why."""


class SessionsOfOurs(NothingToEnd):
    """The sessions are those of lead-router."""


def connections_document(sessions: Sequence[ClientSession], room: ServerCapacity) -> dict[str, Any]:
    """The JSON document: room on the server, and sessions that are alike as one row, the most first."""
    return {
        "max_connections": room.max_connections,
        "reserved": room.reserved,
        "in_use": room.sessions,
        "sessions": _groups(sessions),
    }


def _groups(sessions: Sequence[ClientSession]) -> list[dict[str, Any]]:
    alike, longest = Counter[tuple[Any, ...]](), dict[tuple[Any, ...], float]()
    for one in sessions:
        key = (one.application, one.role, one.database, _state(one), one.ours)
        alike[key] += 1
        longest[key] = max(longest.get(key, 0.0), one.state_s or 0.0)
    return [
        dict(zip(_KEYS, key, strict=True)) | {"sessions": number, "longest_s": round(longest[key], 1)}
        for key, number in sorted(alike.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _state(session: ClientSession) -> str:
    return (session.state or "unknown") if session.visible else "hidden"


def to_be_ended(sessions: Sequence[ClientSession], which: Which) -> tuple[list[ClientSession], int]:
    """The sessions that are meant and that our role may end, and how many more it may not. Raises NothingToEnd."""
    found = _found(sessions, which)
    allowed = [one for one in found if one.may_end]
    if not allowed:
        raise NothingToEnd(f"our role may not end any of {words(found)}: {GRANT}; nothing was done")
    return allowed, len(found) - len(allowed)


def _found(sessions: Sequence[ClientSession], which: Which) -> list[ClientSession]:
    if found := chosen(sessions, which):
        return found
    same = [one for one in sessions if one.application == which.application]
    if any(one.ours for one in same):
        raise SessionsOfOurs("sessions of lead-router are never ended by this; lower connections.maximum instead")
    of_role = [one for one in same if which.of(one)]
    if not of_role:
        raise NothingToEnd(_unknown(sessions, which, [one.role for one in same]))
    if not all(one.visible for one in of_role):
        raise NothingToEnd(
            f"{count(len(of_role), 'session')} of {named(which.application)}: {HIDDEN}; nothing was done"
        )
    raise NothingToEnd(
        f"none of {count(len(of_role), 'session')} of {named(which.application)} has been idle for "
        f"{duration(which.idle_s)} ({_states(of_role)}); nothing was done"
    )


def _unknown(sessions: Sequence[ClientSession], which: Which, roles: Sequence[str]) -> str:
    """No session is called so."""
    if roles:
        return f"{named(which.application)} has no session of role {which.role}, but of {listed(sorted(set(roles)))}"
    names = {one.application for one in sessions if not one.ours}
    near = suggestion(which.application, names)
    meant = f"; did you mean {near}?" if near else f"; there are: {listed(map(named, sorted(names))) or 'none'}"
    return f"no session is called {named(which.application)}{meant}"


def _states(sessions: Sequence[ClientSession]) -> str:
    return ", ".join(f"{number} {state}" for state, number in Counter(map(_state, sessions)).most_common())


def words(sessions: Sequence[ClientSession]) -> str:
    """Idle sessions of one application, for people."""
    roles = listed(sorted({one.role or "?" for one in sessions}))
    return f"{count(len(sessions), 'idle session')} of {named(sessions[0].application)} (role {roles})"


def ended_document(sessions: Sequence[ClientSession], forbidden: int, done: Ended | None) -> dict[str, Any]:
    """What became of sessions that were to be ended; `done` None = a dry run."""
    return {
        "dry_run": done is None,
        "found": len(sessions) + forbidden,
        "not_permitted": forbidden,
        "done": None if done is None else asdict(done),
    }
