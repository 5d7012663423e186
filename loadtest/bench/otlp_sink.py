"""A receiver of telemetry that takes all at once: `python -m loadtest.bench.otlp_sink` prints its port and runs on."""

import asyncio

from aiohttp import web

from loadtest.bench.answering import answer_at


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(content_type="application/x-protobuf")


if __name__ == "__main__":
    asyncio.run(answer_at("/{signal:.*}", take))
