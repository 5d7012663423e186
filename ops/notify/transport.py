"""One attempt to send one message, whatever the channel: HTTP or SMTP, only to addresses that are allowed."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
import aiosmtplib
from aiohttp.abc import AbstractResolver
from yarl import URL

from ops.notify.channels import Channel, Kind, MailServer, Tls
from ops.notify.mail import mail_of
from ops.notify.message import Message
from ops.notify.robots import Outcome, Request, read_robot, robot_request
from ops.notify.text import without
from ops.notify.webhook import webhook_body, webhook_headers
from router.outbox.addresses import PrivateAddress, PublicOnly, check_literal
from router.outbox.attempts import read_answer
from router.outbox.names import Names
from router.telemetry.masking import mask_passwords

_READ_AT_MOST = 16_384
_ERROR_LENGTH = 300
_HEADERS = {"content-type": "application/json; charset=utf-8", "user-agent": "lead-router-notify"}
_NO_MORE_NOW = frozenset({421, 450, 451, 452})


class Transport:
    """Keeps no connection between messages, which are few. Open it in the event loop that uses it, and close it.

    `clock` is this host's (aware): signatures are compared with the other side's.
    """

    def __init__(self, timeout_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._anywhere = _session(timeout_s, Names())
        self._public = _session(timeout_s, PublicOnly())

    async def send(self, channel: Channel, message: Message, ident: str) -> Outcome:
        """Every outcome is returned, without the channel's address and secrets; nothing is raised for one."""
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await self._send(channel, message, ident)
        except TimeoutError:
            outcome = Outcome("no answer in time")
        except PrivateAddress:
            outcome = Outcome("its address is not public, and the channel does not say allow_private: true")
        except (aiohttp.ClientError, aiosmtplib.SMTPException, OSError, ValueError) as error:
            outcome = Outcome(_words(error))
        return outcome if outcome.error is None else _harmless(outcome, outcome.error, channel)

    async def _send(self, channel: Channel, message: Message, ident: str) -> Outcome:
        now = self._clock()
        if channel.kind is Kind.EMAIL:
            return await self._mail(channel, message, ident, now)
        if channel.kind is Kind.WEBHOOK:
            data = webhook_body(channel, message, ident)
            headers = webhook_headers(channel, ident, now.timestamp(), data)
            status, _, retry_after = await self._post(channel, Request(channel.url, data), headers)
            answer = read_answer(status, retry_after, now)
            return Outcome(answer.error, answer.pause_s, answer.throttled)
        request = robot_request(channel, message, ident, now.timestamp())
        status, body, retry_after = await self._post(channel, request, {})
        return read_robot(channel.kind, status, body, read_answer(429, retry_after, now).pause_s)

    async def _post(self, channel: Channel, request: Request, headers: dict[str, str]) -> tuple[int, bytes, str | None]:
        session = self._anywhere if channel.allow_private else self._public
        if not channel.allow_private:
            check_literal(urlsplit(request.url).hostname or "")
        url = URL(request.url, encoded=True)
        async with session.post(url, data=request.body, headers=headers, allow_redirects=False) as got:
            return got.status, await got.content.read(_READ_AT_MOST), got.headers.get("retry-after")

    async def _mail(self, channel: Channel, message: Message, ident: str, now: datetime) -> Outcome:
        server = channel.server
        assert server is not None
        mail = mail_of(channel, message, ident, now)
        with await self._socket(server, allow_private=channel.allow_private) as sock:
            client = aiosmtplib.SMTP(
                hostname=server.host,
                sock=sock,
                use_tls=server.tls is Tls.IMPLICIT,
                start_tls=server.tls is Tls.STARTTLS,
                username=server.user,
                password=server.password,
                timeout=self._timeout_s,
            )
            try:
                async with client:
                    refused, _ = await client.send_message(
                        mail, sender=server.sender, recipients=list(channel.recipients)
                    )
            except aiosmtplib.SMTPRecipientsRefused as error:
                return Outcome(f"all recipients were refused: {error.recipients[0].code}")
            except aiosmtplib.SMTPResponseException as error:
                return Outcome(
                    f"{type(error).__name__} {error.code}: {error.message}", throttled=error.code in _NO_MORE_NOW
                )
        if refused:
            return Outcome(note=f"{len(refused)} of {len(channel.recipients)} recipients were refused")
        return Outcome()

    async def _socket(self, server: MailServer, *, allow_private: bool) -> socket.socket:
        """Connected to one of the addresses that were checked."""
        names: AbstractResolver = Names() if allow_private else PublicOnly()
        if not allow_private:
            check_literal(server.host)
        error: OSError = OSError(f"{server.host} has no address")
        for one in await names.resolve(server.host, server.port, socket.AF_UNSPEC):
            sock = socket.socket(one["family"], socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, (one["host"], one["port"]))
            except OSError as failed:
                sock.close()
                error = failed
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise error

    async def close(self) -> None:
        await self._public.close()
        await self._anywhere.close()


def _session(timeout_s: float, resolver: AbstractResolver) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(resolver=resolver, force_close=True)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=_HEADERS, cookie_jar=aiohttp.DummyCookieJar()
    )


def _words(error: Exception) -> str:
    """What went wrong. Errors about URLs show them."""
    if isinstance(error, aiohttp.InvalidURL):
        return "the URL is not valid"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, PrivateAddress):
        return "its address is not public, and the channel does not say allow_private: true"
    return f"{type(error).__name__}: {error}"


def _harmless(outcome: Outcome, error: str, channel: Channel) -> Outcome:
    """Without what is a credential: the channel's address, its parts behind the host, and its secrets."""
    parts = urlsplit(channel.url)
    hidden = [*channel.secrets(), parts.query, *(one.partition("=")[2] for one in parts.query.split("&")), parts.path]
    text = mask_passwords(" ".join(without(error, (one for one in hidden if len(one) > 3)).split()))
    return Outcome(text[:_ERROR_LENGTH], outcome.rest_s, outcome.throttled)
