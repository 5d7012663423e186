"""A handler that answers 202 and does nothing: `python -m loadtest.bench.noop` prints its port and runs on."""

import asyncio

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite


async def answer(_request: web.Request) -> web.Response:
    return web.Response(status=202)


async def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/leads", answer)
    runner = AppRunner(app, access_log=None)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
