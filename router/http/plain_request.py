"""Posts of single leads in their usual form, read from bytes; whatever is not surely one is left to aiohttp.

No I/O; it remembers lines that came.

What is read here is read as aiohttp would: a test compares the two. Anything that two readers of HTTP could understand
differently (a header twice, chunks, a folded line) is not of the usual form.
"""

import re
from enum import Enum
from typing import NamedTuple

MAX_BODY = 32 * 1024
_MAX_HEAD = 8 * 1024
_START = b"POST /v1/leads HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_HEADER = re.compile(rb"([A-Za-z0-9-]++): ?+([!-~](?:[ -~]*[!-~])?+)")
_DIGITS = re.compile(rb"[0-9]{1,5}")
_KEY = re.compile(rb"[!#-~]{1,255}")
"""A bare key; one in quotes is left to aiohttp's side."""
_BEARER = b"Bearer "
_OF_ONE_POST = frozenset((b"idempotency-key", b"content-length", b"traceparent", b"tracestate", b"x-request-id"))
_NOT_USUAL = frozenset(
    (
        *(b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"te", b"trailer", b"http2-settings"),
        *(b"sec-websocket-key", b"content-transfer-encoding", b"proxy-connection"),
    )
)


_REMEMBERED = 2_000
_MAX_REMEMBERED = 200
# Nearly all lines of a client's next post are those of its last one: read once, they cost one look each.
_read_before: dict[bytes, tuple[bytes, bytes]] = {}


class Post(NamedTuple):
    """One post: the token as it is shown, the Idempotency-Key (None = it has none), the body. It takes `size` bytes."""

    token: str
    key: str | None
    body: bytes
    size: int


class No(Enum):
    """Why bytes are no post: the rest of it is still to come, or it is something else."""

    UNFINISHED = "unfinished"
    OTHER = "other"


def read_post(data: bytes) -> Post | No:
    """The post with which the bytes of a connection begin."""
    if not data.startswith(_START):
        return No.UNFINISHED if _START.startswith(data) else No.OTHER
    # A post without any header ends with the first line.
    head_end = data.find(_END, len(_START) - 2)
    if head_end < 0:
        return No.UNFINISHED if len(data) <= _MAX_HEAD else No.OTHER
    if head_end + 2 - len(_START) > _MAX_HEAD:
        return No.OTHER
    lines = data[len(_START) : head_end].split(b"\r\n") if head_end > len(_START) else []
    headers = {}
    for line in lines:
        read = _read_before.get(line) or _read_header(line)
        if read is None:
            return No.OTHER
        headers[read[0]] = read[1]
    # With two of one name there are fewer names than lines.
    if len(headers) < len(lines) or not _NOT_USUAL.isdisjoint(headers):
        return No.OTHER
    return _post(headers, data, head_end + 4)


def _read_header(line: bytes) -> tuple[bytes, bytes] | None:
    """Name in lower case and value of a header that is of the usual form; those that do not come anew with each post
    are remembered.
    """
    found = _HEADER.fullmatch(line)
    if found is None:
        return None
    read = found[1].lower(), found[2]
    if read[0] not in _OF_ONE_POST and len(line) <= _MAX_REMEMBERED:
        if len(_read_before) >= _REMEMBERED:
            _read_before.clear()
        _read_before[line] = read
    return read


def _post(headers: dict[bytes, bytes], data: bytes, begin: int) -> Post | No:
    length = headers.get(b"content-length", b"")
    shown = headers.get(b"authorization", b"")
    key = headers.get(b"idempotency-key")
    usual = (
        b"host" in headers
        and headers.get(b"content-type") == b"application/json"
        and headers.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        and _DIGITS.fullmatch(length) is not None
        and shown.startswith(_BEARER)
        and (key is None or _KEY.fullmatch(key) is not None)
    )
    if not usual or (size := int(length)) > MAX_BODY:
        return No.OTHER
    body = data[begin : begin + size]
    if len(body) < size:
        return No.UNFINISHED
    token = shown[len(_BEARER) :].strip().decode()
    return Post(token, None if key is None else key.decode(), body, begin + size)
