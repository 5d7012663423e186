"""Which other server an error is about, where tables are spread over several (Citus): read from what the server says.

The coordinator passes on that it could not reach, or lost, a server with rows, and what such a server refused itself.
"""

import re

_HOST = r"(?:\S*@)?(?P<host>[^\s@]{1,255}):(?P<port>\d{1,5})(?!\d)"
# How such messages begin: no text of a lead can, since errors of rows have other SQLSTATEs.
_UNREACHED = re.compile(
    r"(?:connection to the remote node|could not establish any connections to the node|connection error:"
    r"|failure on connection marked as essential:|could not connect to node|failed to connect to"
    r"|citus\.max_shared_pool_size connections are already established to the node) " + _HOST
)
_WITHIN = re.compile(r"^while executing command on " + _HOST, re.MULTILINE)
# The connection failed, the server shuts down or starts, has no resources, cannot read its files, is read-only, or
# (internal error) Citus gives no class of its own.
_OF_SERVERS = ("08", "57P", "53", "58", "25006")
_INTERNAL = "XX000"

NOT_ASKED = "a server that was not asked"
"""In place of a server's name."""


def other_server(sqlstate: str, message: str, context: str = "") -> str | None:
    """The server, as host:port, that is away or cannot work; None = the error is about none, or another kind of error.

    Never raises, whatever the texts are.
    """
    if not sqlstate.startswith((*_OF_SERVERS, _INTERNAL)):
        return None
    found = _UNREACHED.match(message)
    if found is None and sqlstate != _INTERNAL:
        found = _WITHIN.search(context)
    return f"{found['host']}:{found['port']}" if found and found["host"].isprintable() else None
