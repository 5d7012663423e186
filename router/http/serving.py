"""One address on which an aiohttp application answers until the stop; its connections are guarded."""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable
from functools import partial

from aiohttp import web

from router.http.guard import Guard
from router.http.plain_connection import PlainConnection
from router.http.plain_posts import PlainPosts
from router.runtime.lifeline import Lifeline
from router.runtime.supervisor import StartRefused
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_SWEEP_EVERY_S = 1.0
# The guard counts a connection only once it has shaken hands.
_HANDSHAKE_S = 5.0
# What is longer is refused in plain text, below whatever answers with problems.
_MAX_LINE = 64 * 1024
_LAST_ANSWERS_S = 0.5


class AddressRefused(StartRefused):
    """Somebody else listens there, or this machine has no such address."""


class Address:
    """Where an application answers. `setting` names the setting of its port in errors, `event` is logged once it
    answers.

    `max_connections` clients at once, each with `request_s` (seconds) to ask something.
    """

    def __init__(
        self,
        host: str,
        port: int,
        setting: str,
        *,
        max_connections: int,
        request_s: float,
        tls: ssl.SSLContext | None = None,
        share_port: bool = False,
        event: str = "listening",
    ) -> None:
        self._host, self._port = host, port
        self._setting = setting
        self._max_connections = max_connections
        self._request_s = request_s
        self._tls = tls
        self._share_port = share_port
        self._event = event
        self.started = asyncio.Event()
        self.port = port
        """The real one once `started` is set; differs from the setting where that is 0."""

    async def serve(
        self,
        application: web.Application,
        life: Lifeline,
        *,
        posts: PlainPosts | None = None,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        """Answers until the stop; `posts` of single leads on their own way; `announce` is called once it does. Raises
        AddressRefused when the address cannot be had.
        """
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_LAST_ANSWERS_S,
            auto_decompress=False,
            max_line_size=_MAX_LINE,
        )
        guard = Guard(lambda: _first(guard, runner, posts), self._max_connections, self._request_s)
        application.middlewares.append(guard.middleware)
        await runner.setup()
        server = None
        try:
            server = await self._listen(guard)
            self.port = server.sockets[0].getsockname()[1]
            self.started.set()
            log.info(self._event, host=self._host, port=self.port)
            announce()
            while not await life.pause(_SWEEP_EVERY_S):
                guard.end_silent()
        finally:
            self.started.clear()
            if server is not None:
                server.close()
            if posts is not None:
                await posts.close(_LAST_ANSWERS_S)
            await runner.cleanup()

    async def _listen(self, guard: Guard) -> asyncio.Server:
        try:
            return await asyncio.get_running_loop().create_server(
                guard,
                self._host,
                self._port,
                ssl=self._tls,
                reuse_port=self._share_port,
                ssl_handshake_timeout=None if self._tls is None else _HANDSHAKE_S,
            )
        except OSError as error:
            raise AddressRefused(
                f"cannot listen on {self._host} port {self._port}: {_refusal(error, self._setting)}"
            ) from error


def _refusal(error: OSError, setting: str) -> str:
    """Why an address cannot be had, and what to do. `setting` is that of the port."""
    if error.errno == errno.EADDRINUSE:
        todo = f"Does another lead-router run here? Set {setting} to another port, or to 0 for any free one"
    elif error.errno in (errno.EACCES, errno.EPERM):
        todo = f"This user may not have that port: set {setting} to one from 1024 on"
    else:
        todo = f"Set {setting.removesuffix('PORT')}HOST to an address of this machine, or to 0.0.0.0 for all"
    # Names that are not found have numbers of their own.
    known = error.errno is not None and error.errno > 0
    return f"{os.strerror(error.errno or 0) if known else error.strerror}. {todo}"


def _first(guard: Guard, runner: web.AppRunner, posts: PlainPosts | None) -> asyncio.Protocol:
    return _protocol(runner) if posts is None else PlainConnection(posts, partial(_protocol, runner), guard)


def _protocol(runner: web.AppRunner) -> asyncio.Protocol:
    server = runner.server
    assert server is not None
    return server()
