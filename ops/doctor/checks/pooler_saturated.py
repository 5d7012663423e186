"""Sessions of ours wait for PgBouncer, or it has fewer places than instances ask for, or more than the server has."""

from collections.abc import Sequence
from typing import Any

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.store.connections.pooler import Pool, Pooler, read_pooler
from router.store.connections.pooler_console import NoConsole
from router.telemetry.masking import mask_passwords

CODE = "pooler_saturated"

_LONG_S = 1.0
"""A client waits for a moment wherever there are more clients than sessions, which is what a pooler is for."""
_SHOWN = 5


async def look(scene: Scene) -> Sequence[Finding]:
    console, database = getattr(scene.conn, "pooler", None) or (None, "")
    if console is None:
        raise NotApplicable(worded("there is no pooler in between (connections.pooler_console_url names its console)"))
    return await look_through(console, database, scene.room.allowed)


async def look_through(console: str, database: str, allowed: int | None) -> Sequence[Finding]:
    """What is found at a console; `allowed` as of `findings`. Raises NotApplicable where it does not let us look."""
    try:
        return findings(await read_pooler(console, database), allowed)
    except NoConsole as error:
        words = mask_passwords(str(error))
        said = worded("PgBouncer's console cannot be read ({why}); its stats_users allows it", why=words)
        raise NotApplicable(said) from error


def findings(pooler: Pooler, allowed: int | None) -> list[Finding]:
    """What is wrong with the pools of our database, on a server with `allowed` sessions for us (None = not known)."""
    found = [_saturated(pool, pooler) for pool in pooler.pools if pool.waiting and pool.longest_wait_s >= _LONG_S]
    if 0 < pooler.maximum_clients < pooler.wanted:
        found.append(
            _finding(
                "clients",
                worded(
                    "PgBouncer takes {clients} clients, and our instances may open {wanted}: raise max_client_conn, or "
                    "lower connections.maximum",
                    clients=pooler.maximum_clients,
                    wanted=pooler.wanted,
                ),
                pooler,
            )
        )
    if allowed is not None and pooler.most_sessions > allowed:
        found.append(
            _finding(
                "sessions",
                worded(
                    "PgBouncer may open {sessions} sessions for our database, and the server has {allowed} for them: "
                    "lower default_pool_size, or raise max_connections",
                    sessions=pooler.most_sessions,
                    allowed=allowed,
                ),
                pooler,
            )
        )
    return found


def _saturated(pool: Pool, pooler: Pooler) -> Finding:
    return _finding(
        f"{pool.database} as {pool.user}",
        worded(
            "{waiting} of our database's sessions wait for PgBouncer, the longest for {longest} s: {active} of {size} "
            "sessions of its pool are in use; raise default_pool_size, or end who keeps them",
            waiting=pool.waiting,
            longest=f"{pool.longest_wait_s:.1f}",
            active=pool.active,
            size=pool.size,
        ),
        pooler,
        "lead-router blockers",
        {"waiting": pool.waiting, "longest_wait_s": round(pool.longest_wait_s, 3), "in_use": pool.active},
    )


def _finding(about: str, words: str, pooler: Pooler, command: str | None = None, row: Any = None) -> Finding:
    rows = [row] if row else []
    rows += [{"clients": pooler.clients, "max_client_conn": pooler.maximum_clients}]
    rows += [{"database": pool.database, "user": pool.user, "pool_size": pool.size} for pool in pooler.pools[:2]]
    rows += [{"instance": name, "maximum": most} for name, most in list(pooler.instances.items())[:_SHOWN]]
    return Finding(CODE, Severity.WARNING, Subject("pooler", about), words, tuple(rows), command=command)
