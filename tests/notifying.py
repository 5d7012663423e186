"""What tests of the notifier share: findings, channels, and receivers that behave as the real ones."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite

from ops.doctor.finding import Finding, Severity, Subject
from ops.notify.channels import Channel, Kind, MailServer, Tls


def finding(
    code: str = "stalled", tenant: str = "acme", severity: Severity = Severity.CRITICAL, **more: Any
) -> Finding:
    """A finding about a tenant; "" = about the server."""
    subject = Subject("tenant", tenant) if tenant else Subject("server", "PostgreSQL")
    return Finding(code, severity, subject, f"{code} of {tenant or 'the server'}", command="lead-router doctor", **more)


def a_channel(kind: Kind = Kind.WEBHOOK, url: str = "http://127.0.0.1/", **more: Any) -> Channel:
    """A channel to a receiver on this host."""
    return Channel(**{"name": "oncall", "kind": kind, "url": url, "allow_private": True, **more})


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """RFC 2104 by its text, so that the product's own way is not believed blindly."""
    key = hashlib.sha256(key).digest() if len(key) > 64 else key
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in key) + data).digest()
    return hashlib.sha256(bytes(one ^ 0x5C for one in key) + inner).digest()


Answer = Callable[[int], tuple[int, dict[str, Any] | str]]
"""Status and body for the request of this number, from 0."""


@dataclass(slots=True)
class Robot:
    """A robot: `got` = (query, body) of all requests in their order, answered or not."""

    url: str = ""
    answer: Answer = lambda _: (200, {"errcode": 0, "errmsg": "ok", "code": 0, "msg": "success"})
    hangs: bool = False
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """What people would have read."""
        parts = [body.get("markdown") or body.get("content") or body["text"] for _, body in self.got]
        return [part if isinstance(part, str) else part.get("content") or part["text"] for part in parts]

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        number = len(self.got)
        self.got.append((dict(request.query), json.loads(raw)))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.raw.append(raw)
        if self.hangs:
            await asyncio.sleep(3600)
        status, body = self.answer(number)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")


@asynccontextmanager
async def a_robot(**options: Any) -> AsyncIterator[Robot]:
    """A robot on a port of this host; the key in its URL is `k3y-of-robot`."""
    robot = Robot(**options)
    app = web.Application()
    app.router.add_post("/{tail:.*}", robot.take)
    runner = AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    robot.url = f"{site.name}/robot/send?access_token=k3y-of-robot"
    try:
        yield robot
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class Mailbox:
    """A mail server: `mails` = (recipients, text) as they came. Recipients in `unknown` are refused."""

    port: int = 0
    unknown: frozenset[str] = frozenset()
    mails: list[tuple[list[str], str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session of SMTP."""
        to = list[str]()
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode():
            word = line[:4].upper()
            if word == "RCPT":
                name = line.partition("<")[2].partition(">")[0]
                known = name not in self.unknown
                to += [name] * known
                writer.write(b"250 ok\r\n" if known else b"550 nobody\r\n")
            elif word == "DATA":
                writer.write(b"354 go\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.mails.append((to, text))
                to = []
                writer.write(b"250 taken\r\n")
            elif word == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()


@asynccontextmanager
async def a_mailbox(unknown: frozenset[str] = frozenset()) -> AsyncIterator[Mailbox]:
    """A mail server on a port of this host."""
    box = Mailbox(unknown=unknown)
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box


def mail_channel(box: Mailbox, *recipients: str, **more: Any) -> Channel:
    """A channel that hands mail in there."""
    server = MailServer("127.0.0.1", box.port, Tls.NONE, "router@example.com")
    return a_channel(Kind.EMAIL, "", server=server, recipients=recipients or ("ann@example.com",), **more)
