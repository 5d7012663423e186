"""A receiver that answers everything at once: `python -m loadtest.bench.sink` prints its port and runs on."""

import asyncio

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite


async def take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(status=204)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/", take)
    runner = AppRunner(app, access_log=None)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
