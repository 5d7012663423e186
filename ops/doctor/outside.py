"""What can be said when the database cannot be asked: that, and what does not need it."""

from ops.doctor.checks import database_busy, pooler_saturated, presence_unknown, redis_trouble
from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.idle_sessions import LIST
from ops.doctor.look import Checked, all_checks
from router.domain.worded import said_by, worded
from router.drain.presence import Presence, Unsure
from router.drain.redis_probe import Use, look_at_redis
from router.store.blocking.activity import look
from router.store.blocking.judge import TABLE_LOCKS, Kind, Limits, blockers, open_time
from router.store.blocking.work import work_of
from router.store.statements import Connection

DATABASE_UNUSABLE = "database_unusable"
_NOT_ASKED = worded("the database cannot be asked")
# What `why` says to run.
_COMMANDS = ("lead-router migrate", LIST)


async def without_database(why: str, presence: Presence, pooler: tuple[str, str] | None = None) -> list[Checked]:
    """Every check as one that could not look, but for those that ask Redis or the `pooler` (the URL of its console, and
    what it calls the database); and the trouble itself, first.
    """
    command = next((one for one in _COMMANDS if one in why), None)
    trouble = Finding(DATABASE_UNUSABLE, Severity.CRITICAL, Subject("server", "PostgreSQL"), why, command=command)
    results = [Checked(DATABASE_UNUSABLE, (trouble,))]
    for code in all_checks():
        if code == presence_unknown.CODE:
            results.append(await _presence(presence))
        elif code == redis_trouble.CODE:
            results.append(await _redis(presence))
        elif code == pooler_saturated.CODE and pooler is not None:
            results.append(await _pooler(*pooler))
        else:
            results.append(Checked(code, failure=_NOT_ASKED))
    return results


async def behind_a_lock(conn: Connection, why: str) -> list[Checked]:
    """Every check as one that could not look since somebody has a table locked; and who, first."""
    busy = await _who_locks(conn)
    results = [Checked(database_busy.CODE, (busy,))] if busy else []
    done = {one.code for one in results}
    return results + [Checked(code, failure=why) for code in all_checks() if code not in done]


async def _who_locks(conn: Connection) -> Finding | None:
    found = [one for one in blockers(await look(conn, rows=0), Limits()) if one.blocks[0].kind in TABLE_LOCKS]
    if not found:
        return None
    session, lock = found[0].session, found[0].blocks[0]
    values = {
        "session": session.named(),
        "tables": ", ".join(lock.tables),
        "mode": lock.mode,
        "lasts": open_time(session),
    }
    if lock.kind is Kind.TABLE_LOCK:
        sentence = worded("leads cannot be read or routed: {session} has {tables} locked ({mode}) {lasts}", **values)
    else:
        sentence = worded(
            "leads cannot be read or routed: {session} waits to have {tables} locked ({mode}) {lasts}", **values
        )
    return Finding(
        database_busy.CODE,
        Severity.CRITICAL,
        Subject("server", "PostgreSQL"),
        sentence,
        tuple(
            {
                "process": one.session.pid,
                "holds": str(one.blocks[0].words),
                "work": work_of(one.session, [one.blocks[0].kind]),
            }
            for one in found[:10]
        ),
        session.since,
        f"lead-router blockers --terminate {session.pid}",
    )


async def _pooler(console: str, database: str) -> Checked:
    """While all sessions of its pool are kept, nobody gets through to the database, and it says why."""
    try:
        return Checked(
            pooler_saturated.CODE, tuple(await pooler_saturated.look_through(console, database, allowed=None))
        )
    except NotApplicable as reason:
        return Checked(pooler_saturated.CODE, not_applicable=said_by(reason))


async def _redis(presence: Presence) -> Checked:
    """What it is used for here is not known."""
    if presence.url is None:
        return Checked(redis_trouble.CODE, not_applicable=redis_trouble.NO_REDIS)
    return Checked(redis_trouble.CODE, tuple(redis_trouble.findings(await look_at_redis(presence.url), tuple(Use))))


async def _presence(presence: Presence) -> Checked:
    """Whether Redis answers; whether rules ask for it is not known."""
    code = presence_unknown.CODE
    match await presence.unreachable():
        case None:
            return Checked(code)
        case Unsure.NO_REDIS:
            return Checked(code, not_applicable=redis_trouble.NO_REDIS)
        case unsure:
            sentence = presence_unknown.SENTENCES[unsure]
            return Checked(code, (Finding(code, Severity.WARNING, Subject("server", "Redis"), sentence),))
