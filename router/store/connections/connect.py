"""Opening one connection: its name at the server, what the wire may take, and attempts that overtake a stuck one."""

import asyncio
import hashlib
import re
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg

APPLICATION_NAME = "lead-router"
LISTENER_NAME = f"{APPLICATION_NAME} wakeups"
"""The sessions of services that listen for work; `status` counts them."""
_CLOSE_DEADLINE_S = 2.0

# A first packet that got lost is sent again after 1 s, 3 s, 7 s …: a new attempt is faster once the wire works again.
_OVERTAKE_AFTER_S = 1.0
_ATTEMPTS_MOST = 4
_KEEPALIVE_IDLE_S, _KEEPALIVE_EVERY_S, _KEEPALIVE_PROBES = 5, 2, 3
# An application_name holds 63 bytes.
_NAME_LETTERS = 63 - len(f"{APPLICATION_NAME} 1000 ")


if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection


class Session(_Base):
    """A connection of ours. `label` is its application_name from the next reset on (None = as it was opened)."""

    label: str | None = None
    opened_at: float = 0.0

    def get_reset_query(self) -> str:
        query = super().get_reset_query()
        return query if self.label is None else f"{query}\nset application_name = '{self.label}';"


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
    url: str, label: str, deadline_s: float, tcp_user_timeout_ms: int, statement_deadline_s: float | None = None
) -> Session:
    """Opens one. Raises OSError (TimeoutError after `deadline_s`) or asyncpg errors when the server cannot be had.

    `statement_deadline_s` ends the wait for an answer over a wire that only seems to be alive; None = no end.
    """
    attempts: list[asyncio.Task[Session]] = []
    try:
        async with asyncio.timeout(deadline_s) as limit:
            session = await _first_of(attempts, lambda: _connect(url, label, statement_deadline_s))
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"the database does not answer within {deadline_s:g} s") from error
        raise
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_end)
            attempt.cancel()
    _limit_the_wire(session, tcp_user_timeout_ms)
    return session


async def _first_of(
    attempts: list[asyncio.Task[Session]], attempt: Callable[[], Coroutine[Any, Any, Session]]
) -> Session:
    """What the first attempt that succeeds opens; `attempts` are the ones under way. Raises when none is left."""
    failure: BaseException | None = None
    attempts.append(asyncio.create_task(attempt(), name="connect"))
    while attempts:
        done, _ = await asyncio.wait(attempts, timeout=_OVERTAKE_AFTER_S, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            failure = one.exception()
            if failure is None:
                attempts.remove(one)
                return one.result()
        attempts[:] = [one for one in attempts if one not in done]
        if not done:
            if len(attempts) == _ATTEMPTS_MOST:
                attempts.pop(1).cancel()
            attempts.append(asyncio.create_task(attempt(), name="connect"))
    assert failure is not None
    raise failure


async def _connect(url: str, label: str, statement_deadline_s: float | None) -> Session:
    session: Session = await asyncpg.connect(
        url,
        # The limit of all attempts is the caller's.
        timeout=3600.0,
        command_timeout=statement_deadline_s,
        connection_class=Session,
        server_settings={"application_name": label},
    )
    session.opened_at = asyncio.get_running_loop().time()
    return session


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
