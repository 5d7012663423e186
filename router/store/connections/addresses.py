"""Where a database may be reached: every host of its URL, and every address of a host's name, as they are now."""

import asyncio
import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

_PORT = 5432
# The name is part of what is agreed with the server or checked of it, so it has to stay.
_NEEDS_NAME = ("require", "verify-full", "verify-ca")


@dataclass(frozen=True, slots=True)
class Address:
    """A host (a name, an address or a folder of a Unix socket) and a port; None = as the driver finds it itself."""

    host: str | None = None
    port: int | None = None


async def addresses_of(url: str) -> list[Address]:
    """At least one. A name that cannot be resolved stays as it is: connecting says what is wrong with it."""
    found: list[Address] = []
    parts = urlsplit(url)
    asked = parse_qs(parts.query).get("sslmode", [os.environ.get("PGSSLMODE", "")])[-1]
    # Without a password in the URL the driver may look for one under the host's name.
    by_name = asked in _NEEDS_NAME or ":" not in parts.netloc.rpartition("@")[0]
    for one in hosts_of(url):
        found += [one] if by_name or one.host is None else await _resolved(one)
    return list(dict.fromkeys(found)) or [Address()]


def hosts_of(url: str) -> list[Address]:
    """As the URL has them, in its order: `//one:5432,two/name`, or `?host=one,two&port=5432`."""
    parts = urlsplit(url)
    words = parse_qs(parts.query)
    default = words.get("port", [str(_PORT)])[-1].split(",")
    if netloc := parts.netloc.rpartition("@")[2]:
        hosts = [_split(host) for host in netloc.split(",")]
    else:
        hosts = [(unquote(host), "") for host in words.get("host", [""])[-1].split(",") if host]
    ports = [port or (default[at] if at < len(default) else default[0]) for at, (_, port) in enumerate(hosts)]
    with suppress(ValueError):  # the driver says what is wrong with a port
        return [Address(host, int(port)) for (host, _), port in zip(hosts, ports, strict=True) if host]
    return []


def _split(text: str) -> tuple[str, str]:
    """Host and port ("" = none); an IPv6 address is in brackets."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = text.partition(":")
    return unquote(host), port


async def _resolved(one: Address) -> list[Address]:
    assert one.host is not None
    with suppress(ValueError):
        ipaddress.ip_address(one.host)
        return [one]
    if one.host.startswith("/"):
        return [one]
    try:
        known = await asyncio.get_running_loop().getaddrinfo(one.host, one.port, type=socket.SOCK_STREAM)
    except OSError:
        return [one]
    return [Address(str(where[0]), one.port) for *_, where in known]
