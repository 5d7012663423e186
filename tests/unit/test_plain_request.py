"""Posts that are read without aiohttp are read as aiohttp reads them, or left to it."""

import asyncio
from collections.abc import Iterator

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from hypothesis import example, given
from hypothesis import strategies as st

from loadtest.bench.posts import Address, request_template
from router.http import plain_request
from router.http.plain_request import MAX_BODY, No, Post, read_post

BODY = b'{"source": "web", "external_id": "1"}'
USUAL = (
    b"POST /v1/leads HTTP/1.1\r\nHost: 127.0.0.1:8381\r\nAuthorization: Bearer lr_1_a_b\r\n"
    b"Content-Type: application/json\r\nIdempotency-Key: k-1\r\nContent-Length: 37\r\n\r\n" + BODY
)
NAMES = st.sampled_from(
    [
        *(b"Authorization", b"Content-Type", b"Content-Length", b"content-length", b"Idempotency-Key", b"Host"),
        *(
            b"Transfer-Encoding",
            b"Connection",
            b"Expect",
            b"Content-Encoding",
            b"User-Agent",
            b"X-\xc3\xa4",
            b"a b",
            b"",
        ),
    ]
)
VALUES = st.sampled_from(
    [
        *(
            b"Bearer lr_1_a_b",
            b"bearer x",
            b"application/json",
            b"application/json; charset=utf-8",
            b"37",
            b"0",
            b"+37",
        ),
        *(b"037", b"3 7", b"99999", b"k-1", b'"quoted"', b"chunked", b"gzip", b"keep-alive", b"close", b"upgrade", b""),
        *(b"100-continue", b"a\x00b", b"a\tb", b"\xff", b"a\r\n b", b"a\nb", b"37\r"),
    ]
)
SEPARATORS = st.sampled_from([b": ", b":", b":  ", b" : ", b"", b":\t"])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b" \r\n", b"\r\n\r\n", b"\r"])
FIRST = st.sampled_from(
    [
        *(
            b"POST /v1/leads HTTP/1.1",
            b"POST /v1/leads HTTP/1.1",
            b"POST /v1/leads HTTP/1.1",
            b"POST /v1/leads HTTP/1.0",
        ),
        *(b"POST /v1/leads?tenant=x HTTP/1.1", b"POST /v1/leads:batch HTTP/1.1", b"GET /v1/leads HTTP/1.1", b"post"),
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A usual post with some headers more, less, or otherwise, and perhaps with something behind it."""
    lines = USUAL.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    kept = [line + draw(ENDS) for line in lines if draw(st.integers(0, 9))]
    for _ in range(draw(st.integers(0, 2))):
        line = draw(NAMES) + draw(SEPARATORS) + draw(VALUES) + draw(ENDS)
        kept.insert(draw(st.integers(0, len(kept))), line)
    whole = draw(FIRST) + b"\r\n" + b"".join(kept) + b"\r\n" + BODY
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole + draw(st.binary(max_size=20))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    one = asyncio.new_event_loop()
    yield one
    one.close()


def as_aiohttp_reads(data: bytes, loop: asyncio.AbstractEventLoop) -> tuple[RawRequestMessage, bytes]:
    """The first request of the bytes."""
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16, max_line_size=65_536)
    messages, _, _ = parser.feed_data(data)
    message, payload = messages[0]
    return message, payload.read_nowait(-1)


@given(data=requests())
@example(data=USUAL)
@example(data=USUAL.replace(b"37", b"00037"))
def test_a_post_that_is_read_here_is_the_same_for_aiohttp(data: bytes, loop: asyncio.AbstractEventLoop) -> None:
    found = read_post(data)
    if isinstance(found, No):
        return
    message, body = as_aiohttp_reads(data[: found.size], loop)
    assert (message.method, message.path, tuple(message.version)) == ("POST", "/v1/leads", (1, 1))
    assert (message.should_close, message.chunked, message.upgrade, message.compression) == (False, False, False, None)
    headers = message.headers
    for name in ("Authorization", "Content-Type", "Content-Length", "Idempotency-Key"):
        assert len(headers.getall(name, ())) <= 1
    assert headers["Authorization"] == f"Bearer {found.token}"
    assert headers["Content-Type"] == "application/json"
    assert headers.get("Idempotency-Key") == found.key
    assert int(headers["Content-Length"]) == len(body)
    assert body == found.body


@given(size=st.integers(0, len(USUAL) - 1))
def test_a_usual_post_that_comes_in_pieces_is_waited_for(size: int) -> None:
    assert read_post(USUAL[:size]) is No.UNFINISHED


def test_what_common_clients_send_is_read_here() -> None:
    assert read_post(USUAL) == Post("lr_1_a_b", "k-1", BODY, len(USUAL))
    assert read_post(USUAL + USUAL) == Post("lr_1_a_b", "k-1", BODY, len(USUAL))
    assert isinstance(read_post(request_template(Address(8381, "lr_1_a_b")).encode()), Post)
    curl = USUAL.replace(b"Idempotency-Key: k-1", b"User-Agent: curl/8.5.0\r\nAccept: */*")
    assert read_post(curl) == Post("lr_1_a_b", None, BODY, len(curl))
    requests = USUAL.replace(
        b"Host: 127.0.0.1:8381", b"Host:x\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive"
    )
    assert isinstance(read_post(requests), Post)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"GET"),
        (b"Host: 127.0.0.1:8381\r\n", b""),
        (b"/v1/leads ", b"/v1/leads?tenant=acme "),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"application/json", b"application/json; charset=latin-1"),
        (b"Bearer", b"Basic"),
        (b"Idempotency-Key: k-1", b'Idempotency-Key: "k-1"'),
        (b"Idempotency-Key: k-1", b"Idempotency-Key: k-1\r\nIdempotency-Key: k-2"),
        (b"Content-Length: 37", b"Content-Length: 37\r\nContent-Length: 3"),
        (b"Content-Length: 37", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 37", b"Content-Length: 37\r\nTransfer-Encoding: chunked"),
        (b"Content-Length: 37", b"Content-Length: %d" % (MAX_BODY + 1)),
        (b"Content-Length: 37", b"Content-Length: 37\r\n folded: line"),
        (b"Content-Length: 37", b"Content-Length : 37"),
        (b"Host: ", b"Expect: 100-continue\r\nHost: "),
        (b"Host: ", b"Content-Encoding: gzip\r\nHost: "),
        (b"Host: ", b"Connection: close\r\nHost: "),
        (b"Host: ", b"X: " + b"x" * 9_000 + b"\r\nHost: "),
        (b"Host: ", b"X: \xc3\xa4\r\nHost: "),
    ],
)
def test_what_is_not_of_the_usual_form_is_left_to_aiohttp(old: bytes, new: bytes) -> None:
    assert read_post(USUAL.replace(old, new)) is No.OTHER


def test_a_head_that_never_ends_is_not_kept_for_ever() -> None:
    assert read_post(USUAL[:60] + b"X: x\r\n" * 2_000) is No.OTHER


@given(data=requests())
def test_a_line_that_came_before_is_read_as_it_was_the_first_time(data: bytes) -> None:
    plain_request._read_before.clear()
    first = read_post(data)
    assert read_post(data) == first
    assert len(plain_request._read_before) < 20


def test_clients_that_send_ever_new_headers_do_not_fill_the_memory() -> None:
    for number in range(3_000):
        post = USUAL.replace(b"Host: ", b"X-Number: %d\r\nHost: " % number)
        assert isinstance(read_post(post), Post)
    assert isinstance(read_post(USUAL.replace(b"Host: ", b"X: " + b"x" * 500 + b"\r\nHost: ")), Post)
    assert len(plain_request._read_before) <= 2_000
    assert max(map(len, plain_request._read_before)) <= 200
