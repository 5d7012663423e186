"""Which addresses deliveries may go to: a webhook must not reach into the network that the service stands in.

A name is resolved once, all of its addresses are checked, and the connection is made to one of those that were checked.
"""

import socket
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from router.outbox.names import Names

# These carry an IPv4 address in them, or are a network's own, and count as global.
_EMBEDDING = tuple(
    IPv6Network(one)
    for one in (
        *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0:0/96"),
        *("fec0::/10", "3fff::/20"),
    )
)
# Leads to relays that there are none of any more.
_RELAYS = IPv4Network("192.88.99.0/24")
MAX_URL = 2000


class PrivateAddress(OSError):
    """The endpoint has an address that is private, of this host, of this link, or unassigned."""


def is_public(text: str) -> bool:
    """Whether everybody on the internet means the same host by this address."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif any(address in network for network in _EMBEDDING):
            return False
    return address.is_global and not address.is_multicast and address not in _RELAYS


def check_url(url: str, *, allow_private: bool) -> None:
    """Raises ValueError with what is wrong with the URL of an endpoint; names are not resolved here."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL must begin with https:// (or http://) and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL must not hold a user or a password: deliveries are signed instead")
    if len(url) > MAX_URL or not url.isascii() or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ValueError(f"the URL must be at most {MAX_URL} printable ASCII characters without spaces")
    if parts.fragment:
        raise ValueError("the URL must not have a part after #")
    _ = parts.port
    if not allow_private:
        check_literal(parts.hostname)


def check_literal(host: str) -> None:
    """Raises PrivateAddress where the host is given as an address that is not public."""
    try:
        public = is_public(host)
    except ValueError:
        return
    if not public:
        raise PrivateAddress(_refusal(host, host))


class PublicOnly(AbstractResolver):
    """Resolves names, and refuses those that have any address that is not public."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or Names()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            if not is_public(one["host"]):
                raise PrivateAddress(_refusal(host, one["host"]))
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _refusal(host: str, address: str) -> str:
    of = f"{host} ({address})" if host != address else address
    return f"{of} is not a public address; only webhooks added with --allow-private may have one"
