"""Bodies that are no JSON: files, and what the descriptions say of them."""

from collections.abc import Sequence

from router.http.body import read_body
from router.http.operations import Call
from router.http.problems import Kind, Refused

TEXT = {"type": "string"}
BINARY = {"type": "string", "format": "binary"}
WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/plain", "application/octet-stream")
CSV_TYPES = ("text/csv", "text/plain", "application/octet-stream")


async def bytes_of(call: Call, kinds: Sequence[str], max_bytes: int) -> bytes:
    """The body, of one of the media types, the first of which is the usual one. Raises Refused."""
    if call.request.content_type not in kinds:
        raise Refused(Kind.WRONG_MEDIA_TYPE, f"send {kinds[0]}, not {call.request.content_type}")
    body = await read_body(call.request, max_bytes)
    if not body:
        raise Refused(Kind.BAD_REQUEST, f"there is no body; send {kinds[0]}")
    return body


async def text_of(call: Call, kinds: Sequence[str], max_bytes: int) -> str:
    """The same as text. Raises Refused when it is not UTF-8."""
    body = await bytes_of(call, kinds, max_bytes)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Refused(Kind.BAD_REQUEST, f"line {line} is not valid UTF-8") from None
