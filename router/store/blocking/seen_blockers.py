"""Which sessions held leads up lately: written by the blocking watch, read by those who look for what comes again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from router.store.blocking.judge import Blocker
from router.store.statements import Connection, load
from router.telemetry.masking import mask_literals

KEPT_FOR = timedelta(days=30)

_SQL = load("seen_blockers")


@dataclass(frozen=True, slots=True)
class SeenBlocker:
    """One session that blocked us, with one transaction. `began_at` of that transaction, `seen_at` = first seen to
    block, `ended_at` None = it still does, or nobody watched (all UTC). `kind` as `judge.Kind`; `query` has no values.
    """

    began_at: datetime
    application: str
    role: str
    client: str
    kind: str
    tables: tuple[str, ...]
    query: str
    seen_at: datetime
    ended_at: datetime | None

    @property
    def for_s(self) -> float | None:
        """For how many seconds it blocked us; None = it is not known when it ended."""
        return None if self.ended_at is None else (self.ended_at - self.seen_at).total_seconds()


async def note_blockers(conn: Connection, new: Sequence[Blocker], gone: Sequence[Blocker]) -> None:
    """Remembers those that are new, and that others are gone. Another instance may note the same: it is one row."""
    if known := [blocker for blocker in new if _began(blocker)]:
        await _SQL.note.execute(
            conn,
            began_at=[_began(one) for one in known],
            pids=[one.session.pid for one in known],
            applications=[one.session.application for one in known],
            roles=[one.session.role for one in known],
            clients=[one.session.client for one in known],
            kinds=[one.blocks[0].kind.value for one in known],
            tables=[",".join(one.blocks[0].tables) for one in known],
            queries=[mask_literals(one.session.query) for one in known],
        )
    if ended := [blocker for blocker in gone if _began(blocker)]:
        pids = [one.session.pid for one in ended]
        await _SQL.ended.execute(conn, began_at=[_began(one) for one in ended], pids=pids)


async def tidy_blockers(conn: Connection) -> None:
    """Notes the end of those that ended unwatched, and forgets what is older than KEPT_FOR."""
    there = [
        (row["pid"], began)
        for row in await _SQL.living.fetch(conn)
        for began in (row["xact_start"], row["backend_start"])
        if began is not None
    ]
    await _SQL.lost.execute(conn, pids=[pid for pid, _ in there], began_at=[began for _, began in there])
    await _SQL.forget.execute(conn, kept=KEPT_FOR)


async def seen_blockers(conn: Connection, since: datetime, until: datetime) -> list[SeenBlocker]:
    """Those whose transactions began then, the first one first."""
    rows = await _SQL.seen.fetch(conn, since=since, until=until)
    return [SeenBlocker(**dict(row) | {"tables": tuple(row["tables"])}) for row in rows]


def _began(blocker: Blocker) -> datetime | None:
    """What may not be seen of a session's transaction is at least when the session began; None = not even that."""
    return blocker.session.since or blocker.session.started_at
