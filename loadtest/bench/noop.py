"""A handler that answers 202 and does nothing: `python -m loadtest.bench.noop` prints its port and runs on."""

import asyncio

from aiohttp import web

from loadtest.bench.answering import answer_at


async def answer(_request: web.Request) -> web.Response:
    return web.Response(status=202)


if __name__ == "__main__":
    asyncio.run(answer_at("/v1/leads", answer))
