"""A receiver that answers everything at once: `python -m loadtest.bench.sink` prints its port and runs on."""

import asyncio

from aiohttp import web

from loadtest.bench.answering import answer_at


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


if __name__ == "__main__":
    asyncio.run(answer_at("/", take))
