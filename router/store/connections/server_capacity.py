"""What all instances together may open, beside what the server has for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from router.domain.worded import Worded, worded, worded_count
from router.store.connections.connect import APPLICATION_NAME
from router.store.statements import Connection, load

T = TypeVar("T")

_SQL = load("connections")
# How long a question was under way at most, and how long it may have waited in a pooler's line.
_CLOCKS_APART_S = 0.5
_IN_LINE_S = 5.0
_FOR_COMMANDS = 2
_LABEL = re.compile(rf"{APPLICATION_NAME} (\d{{1,4}}) (\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ServerCapacity:
    """`instances` = the maximum of each instance by name, `others` = sessions of anybody else, commands included;
    `sessions` = all that there are.

    `limits` are those of our role and of the database, where there are any.
    """

    max_connections: int
    reserved: int
    others: int
    sessions: int
    instances: Mapping[str, int]
    limits: tuple[int, ...] = ()
    time_zone: str = ""
    server_version: str = ""

    @property
    def wanted(self) -> int:
        """What all instances together may open."""
        return sum(self.instances.values())

    @property
    def allowed(self) -> int:
        """What the server has for all instances together."""
        return max(0, min(self.max_connections - self.reserved - self.others, *self.limits, self.max_connections))

    @property
    def free(self) -> int:
        """Connections that nobody uses."""
        return max(0, self.max_connections - self.reserved - self.sessions)

    @property
    def exhausted(self) -> bool:
        """Whether others have all of them, so that no instance gets one."""
        return self.allowed == 0

    def fair(self, maximum: int) -> int | None:
        """The part of an instance with this maximum; None = there is enough for all, and for commands.

        Whoever looks for what is wrong needs a connection, too.
        """
        ours = self.allowed - min(_FOR_COMMANDS, self.allowed // 4)
        if self.wanted <= ours:
            return None
        return max(1, ours * maximum // self.wanted)

    def excess(self) -> Worded | None:
        """What is too much, in words; None = nothing."""
        if self.wanted <= self.allowed:
            return None
        if len(self.instances) == 1:
            instances = worded("1 instance")
        else:
            instances = worded("{number} instances together", number=len(self.instances))
        said = worded_count(
            "{instances} may open {count:,} connection, but the server has {allowed} for them (max_connections "
            "{maximum}, {reserved} reserved, {others} in use by others",
            "{instances} may open {count:,} connections, but the server has {allowed} for them (max_connections "
            "{maximum}, {reserved} reserved, {others} in use by others",
            self.wanted,
            instances=instances,
            allowed=self.allowed,
            maximum=self.max_connections,
            reserved=self.reserved,
            others=self.others,
        )
        if self.limits:
            said += worded(", role or database limited to {limit}", limit=min(self.limits))
        return said + worded("): each uses fewer; lower connections.maximum or raise max_connections")

    def settings(self) -> dict[str, str]:
        """The server's settings that matter to us."""
        return {
            "max_connections": str(self.max_connections),
            "reserved connections": str(self.reserved),
            "server_version": self.server_version,
        }


async def read_server_capacity(conn: Connection, instance: str | None = None, maximum: int = 0) -> ServerCapacity:
    """Reads it; with `instance`, that one counts with `maximum` whatever its sessions are called.

    An instance is known by what its sessions are called, so one without any session does not count.
    """
    row = await _SQL.server_room.row(conn)
    assert row is not None
    instances: dict[str, int] = {}
    others = total = 0
    for name, sessions, _ in await _SQL.sessions.fetch(conn):
        total += sessions
        if known := _LABEL.fullmatch(name or ""):
            # The later row is the one that did something last, after a change of the maximum.
            instances[known[2]] = int(known[1])
        elif name != f"{APPLICATION_NAME} wakeups":
            others += sessions
    if instance is not None:
        instances[instance] = maximum
    return ServerCapacity(
        max_connections=row["max_connections"],
        reserved=row["reserved"],
        others=others,
        sessions=total,
        instances=instances,
        limits=tuple(limit for limit in (row["role_limit"], row["database_limit"]) if limit >= 0),
        time_zone=row["time_zone"] or "",
        server_version=row["server_version"],
    )


async def sessions_by_application(conn: Connection) -> dict[str, int]:
    """How many sessions each application has at the server, the most first; "" = without a name."""
    rows = await _SQL.sessions.fetch(conn)
    return dict(sorted(((row[0] or "", row[1]) for row in rows), key=lambda pair: -pair[1]))


async def dead_backends(conn: Connection, silent_for_s: Mapping[int, float | None]) -> list[int]:
    """Which of these server processes are gone, or have waited for a statement longer than so many seconds.

    While somebody here waits for an answer, that means that question or answer got lost. Empty where numbers mean
    nothing, as behind a pooler.
    """
    row = await _SQL.living.row(conn, pids=list(silent_for_s), silent_for=list(silent_for_s.values()))
    if row is None or row["asking"] != conn.get_server_pid():
        return []
    return sorted(set(silent_for_s) - set(row["pids"]))


async def unanswered(conn: Connection, asked_at: Mapping[T, float]) -> list[T]:
    """Those of these questions (when they were asked, in monotonic seconds, by any key) that no statement which the
    server runs explains.

    For sessions behind a pooler, whose processes are not known. Question or answer got lost, or it is still in the
    pooler's line.
    """
    before = monotonic()
    running = [row["for_s"] for row in await _SQL.running.fetch(conn)]
    # The server looked at some time between: who asks waits in the pooler's line as well.
    late_s = monotonic() - before
    waited_s = {one: before - at for one, at in asked_at.items()}
    return [one for one, waited in waited_s.items() if not any(_explains(for_s, waited, late_s) for for_s in running)]


def _explains(running_s: float | None, waited_s: float, late_s: float) -> bool:
    """Whether a statement that has been running so long may be what is waited for, seen up to `late_s` later: it may
    have been in line first. None = it is hidden, as by a role that is set for ours, or by track_activities.
    """
    return running_s is None or running_s - late_s - _CLOCKS_APART_S <= waited_s <= running_s + _IN_LINE_S


async def name_session(conn: Connection, name: str) -> None:
    """Calls this session something else until its next reset."""
    await _SQL.name_session.execute(conn, name=name)
