"""A server that answers on one address, prints its port, and runs on: what peers of the service are made of."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite


async def answer_at(path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
    """Never returns."""
    app = web.Application()
    app.router.add_post(path, handler)
    runner = AppRunner(app, access_log=None)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
