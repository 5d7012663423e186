"""Opening one connection: its name at the server, its wire, attempts that overtake a stuck one, and poolers."""

import asyncio
import hashlib
import re
import socket
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg

from router.store.connections.addresses import Address, addresses_of
from router.store.connections.known_types import Answer, about_types

APPLICATION_NAME = "lead-router"
LISTENER_NAME = f"{APPLICATION_NAME} wakeups"
"""The sessions of services that listen for work."""
_CLOSE_DEADLINE_S = 2.0

# A first packet that got lost is sent again after 1 s, 3 s, 7 s …: a new attempt is faster once the wire works again.
_OVERTAKE_AFTER_S = 1.0
_MAX_ATTEMPTS = 4
_STATEMENTS = 200
_BACKEND = "lead-router: answered by process "
_EXTENSION = ", extension citus: "
_WHO_ANSWERS = f"""begin; set local client_min_messages = notice;
    do $$ begin raise notice '{_BACKEND}%{_EXTENSION}%', pg_backend_pid(),
        exists (select from pg_extension where extname = 'citus'); end $$; commit"""
# URLs behind which a pooler was found, and of databases with Citus: what is known of one connection holds for the next.
_behind_pooler: set[str] = set()
_on_citus: set[str] = set()
_ANSWER = re.compile(rf"{_BACKEND}(\d+){_EXTENSION}([tf])")
_KEEPALIVE_IDLE_S, _KEEPALIVE_EVERY_S, _KEEPALIVE_PROBES = 5, 2, 3
# An application_name holds 63 bytes.
_NAME_LETTERS = 63 - len(f"{APPLICATION_NAME} 1000 ")


if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection


Announce = Callable[[Collection[int]], None]


class Session(_Base):
    """A connection of ours. `label` is its application_name from the next reset on (None = as it was opened)."""

    label: str | None = None
    opened_at: float = 0.0
    is_distributed: bool = False
    """Whether the database has the extension citus: then tables may be spread over several servers."""
    pooled: bool = False
    """Whether a pooler stands between, which may give every transaction another session of the server."""
    asked_at: float | None = None
    """Since when (monotonic seconds) an answer is awaited, also when the caller has given up; noted behind a pooler
    only, and not while rows are copied.
    """
    pooler: tuple[str, str] | None = None
    """The URL of the pooler's console, and what the pooler calls the database; only for commands that look."""
    hinted: set[int] | None = None
    """Tenants of which the transaction of now has news."""
    announce: Announce | None = None
    """Is given these once they are committed."""

    def get_reset_query(self) -> str:
        if self.pooled:
            return ""  # it would clean the session of somebody else
        query = super().get_reset_query()
        return query if self.label is None else f"{query}\nset application_name = '{self.label}';"

    async def _introspect_types(self, typeoids: Iterable[int], timeout_s: float | None) -> Answer:
        # The driver's own method; where a later version calls it otherwise, each connection asks again.
        return await about_types(super()._introspect_types, typeoids, timeout_s)  # type: ignore[misc]


def _noted(name: str) -> Any:
    """The method of that name, which notes how long its answer is awaited."""
    ask = getattr(Session, name)

    @wraps(ask)
    async def asked(self: Session, *arguments: Any, **options: Any) -> Any:
        self.asked_at = monotonic()
        try:
            answer = await ask(self, *arguments, **options)
        except asyncpg.PostgresError:
            self.asked_at = None
            raise
        self.asked_at = None
        return answer

    return asked


class PooledSession(Session):
    """One behind a pooler. Which process of the server works for it is not known, so whether an answer will ever come
    cannot be seen there: how long it has been awaited is noted here.
    """

    pooled = True
    fetch = _noted("fetch")
    fetchrow = _noted("fetchrow")
    fetchval = _noted("fetchval")
    execute = _noted("execute")


def session_label(instance: str | None, maximum: int) -> str:
    """The application_name of sessions: `lead-router`, and of a service also its maximum and its instance.

    So whoever looks at pg_stat_activity sees whose a session is, and instances see what the others may open.
    """
    if instance is None:
        return APPLICATION_NAME
    return f"{APPLICATION_NAME} {maximum} {short_name(instance)}"


def short_name(instance: str) -> str:
    """An instance's name as its sessions show it: what fits, of letters that every server keeps."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", instance)
    if len(name) <= _NAME_LETTERS:
        return name
    return f"{name[: _NAME_LETTERS - 9]}~{hashlib.sha256(instance.encode()).hexdigest()[:8]}"


async def open_session(
    url: str,
    label: str,
    deadline_s: float,
    tcp_user_timeout_ms: int,
    statement_deadline_s: float | None = None,
    announce: Announce | None = None,
) -> Session:
    """Opens one. Raises OSError (TimeoutError after `deadline_s`) or asyncpg errors when the server cannot be had.

    `statement_deadline_s` ends the wait for an answer over a wire that only seems to be alive; None = no end.
    `announce` is given the tenants of which there is news, after each commit.
    """

    async def connect(address: Address) -> Session:
        return await _connect(url, address, label, statement_deadline_s)

    attempts: list[asyncio.Task[Session]] = []
    try:
        async with asyncio.timeout(deadline_s) as limit:
            session = await _first_of(attempts, await addresses_of(url), connect)
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"the database does not answer within {deadline_s:g} s") from error
        raise
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_end)
            attempt.cancel()
    _limit_the_wire(session, tcp_user_timeout_ms)
    session.hinted, session.announce = set(), announce
    return session


async def _first_of(
    attempts: list[asyncio.Task[Session]],
    addresses: Sequence[Address],
    connect: Callable[[Address], Coroutine[Any, Any, Session]],
) -> Session:
    """What the first attempt that succeeds opens; `attempts` are the ones under way.

    The addresses take turns, a bit apart (RFC 8305, "happy eyeballs"), at once after a failure; a dead one costs the
    others no more than that. Raises the last failure when each has failed and no attempt is left.
    """
    turn = 0

    def start() -> None:
        nonlocal turn
        attempts.append(asyncio.create_task(connect(addresses[turn % len(addresses)]), name="connect"))
        turn += 1

    start()
    while True:
        done, _ = await asyncio.wait(attempts, timeout=_OVERTAKE_AFTER_S, return_when=asyncio.FIRST_COMPLETED)
        attempts[:] = [one for one in attempts if one not in done]
        failure: BaseException | None = None
        for one in done:
            failure = one.exception()
            if failure is None:
                attempts += done - {one}
                return one.result()
        if failure is not None and turn >= len(addresses):
            if not attempts:
                raise failure
            continue
        if not done and len(attempts) == _MAX_ATTEMPTS:
            attempts.pop(1).cancel()
        start()


async def _connect(url: str, address: Address, label: str, statement_deadline_s: float | None) -> Session:
    session = await _open(url, address, label, statement_deadline_s, pooled=url in _behind_pooler)
    if url not in _behind_pooler:
        answered_by, session.is_distributed = await _who_answers(session)
        (_on_citus.add if session.is_distributed else _on_citus.discard)(url)
        if answered_by in (None, session.get_server_pid()):
            return session
        # Named statements would be left with the server's sessions, for others to stumble over; it has none yet.
        _behind_pooler.add(url)
        session.terminate()
        session = await _open(url, address, label, statement_deadline_s, pooled=True)
    session.is_distributed = url in _on_citus
    return session


async def _open(url: str, address: Address, label: str, statement_deadline_s: float | None, *, pooled: bool) -> Session:
    session: Session = await asyncpg.connect(
        url,
        host=address.host,
        port=address.port,
        # The limit of all attempts is the caller's.
        timeout=3600.0,
        command_timeout=statement_deadline_s,
        connection_class=PooledSession if pooled else Session,
        server_settings={"application_name": label},
        statement_cache_size=0 if pooled else _STATEMENTS,
    )
    session.opened_at = asyncio.get_running_loop().time()
    return session


async def _who_answers(session: Session) -> tuple[int | None, bool]:
    """The process that answers, which behind a pooler is another than the one that greeted us (None = it does not say),
    and whether the database has the extension citus. Asked without a prepared statement.
    """
    heard: list[str] = []

    def hear(_conn: object, message: asyncpg.PostgresLogMessage) -> None:
        heard.append(str(message.message))

    session.add_log_listener(hear)
    try:
        await session.execute(_WHO_ANSWERS)
    finally:
        session.remove_log_listener(hear)
    said = _ANSWER.fullmatch(heard[-1]) if heard else None
    return (int(said[1]), said[2] == "t") if said else (None, False)


def _end(attempt: "asyncio.Task[Session]") -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def _limit_the_wire(session: Session, tcp_user_timeout_ms: int) -> None:
    """A peer that is gone without a word is noticed by the kernel: sent data that nobody confirms, silence."""
    transport = getattr(session, "_transport", None)
    wire = transport.get_extra_info("socket") if transport is not None else None
    if wire is None or wire.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
            ("TCP_KEEPINTVL", _KEEPALIVE_EVERY_S),
            ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
            ("TCP_USER_TIMEOUT", tcp_user_timeout_ms),
        ):
            if hasattr(socket, option):
                wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def closed(session: Session) -> None:
    """Says goodbye; a dead wire answers none."""
    try:
        await session.close(timeout=_CLOSE_DEADLINE_S)
    except Exception:
        session.terminate()
    except asyncio.CancelledError:
        session.terminate()
        raise
