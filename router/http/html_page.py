"""A static page for people that is served without a token: it has nothing of this installation in it."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from aiohttp import web


class HtmlPage:
    """At `path`; `make` returns the HTML, once, when somebody asks. Only the inline style `style` takes effect: no
    script, font, image or frame, from anywhere.
    """

    def __init__(self, path: str, make: Callable[[], str], style: str) -> None:
        self._path = path
        self._make = make
        self._headers = {
            "Content-Security-Policy": _policy(style),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        self._body: bytes | None = None

    def add_to(self, application: web.Application) -> None:
        """Its address."""
        application.router.add_get(self._path, self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        if self._body is None:
            self._body = (await asyncio.to_thread(self._make)).encode()
        tag = f'"{sha256(self._body).hexdigest()[:32]}"'
        headers = {**self._headers, "ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._body, content_type="text/html", charset="utf-8", headers=headers)


def _policy(style: str) -> str:
    known = b64encode(sha256(style.encode()).digest()).decode()
    closed = " ".join(f"{one} 'none';" for one in ("default-src", "base-uri", "form-action", "frame-ancestors"))
    return f"{closed} style-src 'sha256-{known}'"
