"""Which addresses deliveries may go to: a webhook must not reach into the network that the service stands in.

At each delivery a name is resolved once, all of its addresses are checked, and the connection is made to one of those
that were checked. When a webhook is added its name is looked up, too, so that a mistake is seen at once; that replaces
nothing: a name can lead elsewhere tomorrow.
"""

import socket
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from router.outbox.names import Names, NamesUnavailable

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
# These mean the host itself, whatever a name server says.
_THIS_HOST = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
MAX_URL = 2000


class PrivateAddress(OSError):
    """The endpoint has an address that is private, of this host, of this link, or unassigned.

    The words do not have the address of a name: users of the API see them, and need not know the network's names.
    `address` has it, as text; None = it is the host itself that was written. `what` is the sentence without advice.
    """

    def __init__(self, host: str, address: str | None = None) -> None:
        what = "is not a public address" if address is None else "leads to an address that is not public"
        super().__init__(f"{host} {what}; only webhooks added with --allow-private may have one")
        self.what, self.address = f"{host} {what}", address


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
    """Raises PrivateAddress where the host is given as an address that is not public, in any spelling, or as this host.

    Nothing is looked up.
    """
    name = host.rstrip(".").lower()
    if name in _THIS_HOST or name.endswith(".localhost"):
        raise PrivateAddress(host)
    address = _written(host)
    if address is not None and not is_public(address):
        raise PrivateAddress(host)


def _written(host: str) -> str | None:
    """The address that a host is, if it is one: `127.1`, `2130706433` and `0x7f000001` are 127.0.0.1 to a resolver."""
    try:
        ip_address(host.partition("%")[0])
        return host
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


async def check_endpoint(url: str, names: AbstractResolver, *, allow_private: bool) -> str | None:
    """Looks at the URL of a webhook that is to be added, and looks its host up, by `names`.

    Returns a warning where the host cannot be looked up right now: it may be there when events are. Raises ValueError
    and PrivateAddress.
    """
    check_url(url, allow_private=allow_private)
    host = urlsplit(url).hostname or ""
    if allow_private or _written(host) is not None:
        return None
    try:
        await PublicOnly(names).resolve(host, 0, socket.AF_UNSPEC)
    except PrivateAddress:
        raise
    except OSError as error:
        why = str(error) if isinstance(error, NamesUnavailable) else error.strerror or str(error)
        return f"{host} cannot be looked up right now ({why}); nothing is delivered until it can"
    return None


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
                raise PrivateAddress(host, one["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()
