"""A static page over HTTP: open, cached by what is in it, and with a policy that lets nothing else in."""

from base64 import b64encode
from hashlib import sha256

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from router.http.html_page import HtmlPage


async def test_a_page_is_served_with_a_policy_that_allows_its_own_style_and_nothing_else() -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return "<style>a{}</style>ü"

    application = web.Application()
    HtmlPage("/docs", make, "a{}").add_to(application)
    async with TestClient(TestServer(application)) as client:
        reply = await client.get("/docs")
        assert (reply.status, await reply.text(), reply.content_type) == (200, "<style>a{}</style>ü", "text/html")
        style = b64encode(sha256(b"a{}").digest()).decode()
        assert reply.headers["Content-Security-Policy"] == (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            f"style-src 'sha256-{style}'"
        )
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        again = await client.get("/docs", headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status, await again.read(), made) == (304, b"", [1])
        assert (await client.post("/docs")).status == 405
