"""`make screenshots`: each page of the console over the demo's data, in both languages, into docs/images.

It needs Debian's Chromium, and what `make demo` has left in the data folder.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import click

from loadtest.demo import TENANT
from ops.api.means import Means
from ops.api.operations import api_operations
from ops.api.running import Jobs
from ops.console.service import ConsoleService
from ops.embedded.servers import open_servers
from ops.embedded.urls import ServersError
from router.domain.access import TokenRole
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import ConsoleSettings, Settings
from router.store.connections.connections import Connections, open_connections
from router.store.tenants import TenantUnknown, tenant_named
from router.store.tokens import NewToken, create_token, new_token, revoke_token

IMAGES = Path(__file__).parents[1] / "docs" / "images"
_WHO = "screenshots"
_REP = "r044"
_CHROMIUM = "/usr/bin/chromium"


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default=Settings().data_dir)
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=IMAGES)
@click.option("--dark", is_flag=True, help="The dark theme.")
@click.option("--width", type=click.IntRange(300, 4000), default=1280, show_default=True)
def main(data_dir: Path, folder: Path, width: int, *, dark: bool) -> None:
    """Take a picture of each page of the console."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(take(data_dir, folder, width, dark=dark))
    except (ServersError, TenantUnknown) as error:
        click.echo(f"no pictures: {error}; run make demo first", err=True)
        sys.exit(1)


async def take(data_dir: Path, folder: Path, width: int, *, dark: bool) -> None:
    """Raises ServersError, and TenantUnknown without the demo's tenant."""
    async with open_servers(Settings(data_dir=data_dir)) as urls:
        conn = await asyncpg.connect(urls.database)
        try:
            tenant = await tenant_named(conn, TENANT)
            shown, of_rep = new_token(tenant.tenant_id), new_token(tenant.tenant_id)
            await create_token(conn, shown, NewToken(_WHO, TokenRole.ADMIN), _WHO)
            await create_token(conn, of_rep, NewToken(_WHO, TokenRole.REP, None, _REP), _WHO)
            settings = Settings().connections
            try:
                async with (
                    open_connections(urls.database, settings, instance=_WHO) as connections,
                    _console(connections, urls.redis) as url,
                ):
                    pages = await _pages(conn, tenant.tenant_id)
                    await _take_all(url, str(shown), pages, folder, width, dark=dark)
                    await _take_all(url, str(of_rep), {"my-leads": "/my-leads"}, folder, width, dark=dark)
            finally:
                for token in (shown, of_rep):
                    await revoke_token(conn, tenant.tenant_id, token.token_id, _WHO)
        finally:
            await conn.close()


async def _pages(conn: asyncpg.Connection, tenant_id: int) -> dict[str, str]:
    """The address of each page by the name of its picture."""
    found = await conn.fetchrow(
        """select (select min(lead_id) from assignment where tenant_id = $1) as assigned,
                  (select max(lead_id) from lead_pool where tenant_id = $1 and wake_key <> 0) as waiting,
                  (select max(import_no) from lead_import where tenant_id = $1) as import""",
        tenant_id,
    )
    numbers = {} if found is None else {state: found[state] for state in ("assigned", "waiting")}
    leads = {f"lead-{state}": f"/leads/{number}" for state, number in numbers.items() if number is not None}
    return {
        "now": "/",
        "leads": "/leads",
        "waiting": "/waiting",
        **leads,
        "groups": "/groups",
        "group": "/groups/desk",
        "shares": "/groups/desk/shares",
        "rep": f"/reps/{_REP}",
        "rep-leads": f"/reps/{_REP}/leads",
        "handover": f"/reps/{_REP}/handover?way=rules",
        "team": "/team",
        "rules": "/rules",
        "rules-version": "/rules/versions/1",
        "rules-draft": "/rules/draft",
        "events": "/events",
        "imports": "/imports",
        "import-new": "/imports/new",
        **({} if found is None or found["import"] is None else {"import": f"/imports/{found['import']}"}),
        "blockers": "/blockers",
        "doctor": "/doctor",
        "changes": "/changes",
        "retry": "/waiting/retry",
        "runbook": "/runbook/groups_empty",
    }


@asynccontextmanager
async def _console(connections: Connections, redis_url: str | None) -> AsyncIterator[str]:
    means, jobs = Means(redis_url), Jobs()
    service = ConsoleService(
        ConsoleSettings(port=0), connections, api_operations(means, jobs), means, jobs, max_connections=50
    )
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _deadline: None)))
    try:
        # The address is made anew by each run.
        while not service.address.started.is_set() and not running.done():
            await asyncio.sleep(0.01)
        yield service.url
    finally:
        stop.set()
        await running


async def _take_all(url: str, token: str, pages: dict[str, str], folder: Path, width: int, *, dark: bool) -> None:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only this needs it

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for language, locale in (("en", "en-GB"), ("zh", "zh-CN")):
            context = await browser.new_context(
                viewport={"width": width, "height": 800}, locale=locale, color_scheme="dark" if dark else "light"
            )
            page = await context.new_page()
            await page.goto(url)
            await page.screenshot(path=folder / f"console-login-{language}.png")
            await page.fill("#token", token)
            await page.click("main button")
            for name, path in pages.items():
                await page.goto(url.rstrip("/") + path)
                await page.wait_for_load_state("networkidle")
                await page.screenshot(path=folder / f"console-{name}-{language}.png", full_page=True)
                click.echo(f"{name} ({language})")
            await context.close()
        await browser.close()


if __name__ == "__main__":
    main()
