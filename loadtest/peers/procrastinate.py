"""Procrastinate: a job for each lead, worked off by its own worker."""

from collections.abc import Sequence

from procrastinate import App, PsycopgConnector
from procrastinate.types import JSONDict

from loadtest.peers.handler import open_assigner
from loadtest.peers.work import Lead, Setting, Work

_PORTION = 1_000


def _app(url: str, sessions: int) -> App:
    return App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=sessions))


async def install(url: str) -> None:
    async with _app(url, 1).open_async() as app:
        await app.schema_manager.apply_schema_async()


async def enqueue(url: str, leads: Sequence[Lead]) -> None:
    async with _app(url, 1).open_async() as app:
        job = app.configure_task("lead", allow_unknown=True)
        for first in range(0, len(leads), _PORTION):
            part = leads[first : first + _PORTION]
            jobs: list[JSONDict] = [{"tenant_id": tenant_id, "lead_id": lead_id} for tenant_id, lead_id in part]
            await job.batch_defer_async(*jobs)


async def worker(url: str, setting: Setting, _tenants: Sequence[int]) -> Work:
    """Works until there is no job left. Done jobs are deleted, as PgQueuer does with its own."""
    assign = await open_assigner(url, setting["sessions"])
    app = _app(url, setting["sessions"])

    @app.task(name="lead")
    async def _(tenant_id: int, lead_id: int) -> None:
        await assign(tenant_id, lead_id)

    await app.open_async()

    async def work() -> None:
        await app.run_worker_async(
            concurrency=setting["concurrency"],
            wait=False,
            listen_notify=False,
            install_signal_handlers=False,
            delete_jobs="successful",
        )

    return work
