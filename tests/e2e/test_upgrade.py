"""An upgrade while leads come in: the schema first, then router by router. Old and new ones work side by side, and no
lead is lost. What may not start says so.
"""

import asyncio
import json
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from loadtest.shell import PROGRAM, PROJECT
from router.store.migrate import known
from tests.e2e.commands import lead_router
from tests.http.posting import Posting, port_of
from tests.http.support import make_token
from tests.support import until
from tests.workers import Daemon, serving
from tests.world import Tenancy, lead, make_tenant, simple_reps

# What a release may do to the schema while the one before still runs: only add. To the tables that every batch uses.
NEXT_MIGRATION = """-- What the next release needs.
-- depends: {last}

-- migrate: apply

alter table lead add column next_note text;
alter table lead_pool add column next_rank int not null default 0;
alter table assignment add column next_rank int not null default 0;
alter table lane add column next_flag boolean not null default false;
create table next_thing (tenant_id int primary key, note text not null default '');

-- migrate: rollback

drop table next_thing;
alter table lane drop column next_flag;
alter table assignment drop column next_rank;
alter table lead_pool drop column next_rank;
alter table lead drop column next_note;
"""


def next_id() -> str:
    return f"{int(known()[-1][:4]) + 1:04}_next_release"


@pytest.fixture
def next_release(tmp_path: Path) -> dict[str, str]:
    """This code with one more migration, as the environment of its processes."""
    for package in ("router", "ops", "sql"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    migration = tmp_path / "sql" / "migrations" / f"{next_id()}.sql"
    migration.write_text(NEXT_MIGRATION.format(last=known()[-1]), encoding="utf-8")
    # Safe path: the current folder, which has this release, comes not first.
    return {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}


async def command(release: dict[str, str], url: str, *words: str) -> tuple[int, str, str]:
    return await lead_router(*words, LEAD_ROUTER_DATABASE_URL=url, **release)


async def all_have_reps(tenant: Tenancy, count: int) -> None:
    async def there() -> bool:
        states = await tenant.states()
        return states["assigned"] == count and not states["waiting"]

    await until(there, f"{count} leads are assigned")


async def stored(tenant: Tenancy, external_ids: set[str]) -> None:
    """Until each of these has a rep."""
    query = "select external_id from lead join assignment using (tenant_id, lead_id) where tenant_id = $1"

    async def there() -> bool:
        return external_ids <= {row[0] for row in await tenant.conn.fetch(query, tenant.tenant_id)}

    await until(there, "every lead that was taken has a rep", 60)


def nothing_crashed(*daemons: Daemon) -> None:
    for daemon in daemons:
        assert not {"service crashed", "service lost"} & set(daemon.events()), daemon.log


async def routes(tenant: Tenancy, posting: Posting) -> None:
    """What is posted from now on is taken and routed."""
    await posting.took(100)
    await stored(tenant, set(posting.answered))


async def test_an_upgrade_while_leads_come_in_loses_none_and_old_and_new_routers_work_side_by_side(
    database_url: str, conn: asyncpg.Connection, next_release: dict[str, str]
) -> None:
    tenant = await make_tenant(conn, simple_reps(5, max_open=100_000, max_per_day=100_000))
    token = await make_token(conn, tenant.tenant_id)
    async with AsyncExitStack() as running:

        async def start(**settings: object) -> Daemon:
            daemon = await running.enter_async_context(serving(database_url, "serve", api_share_port="yes", **settings))
            await port_of(daemon)
            return daemon

        first_old = await start()
        port = await port_of(first_old)
        second_old = await start(api_port=port)
        posting = Posting(port, token, "u")
        clients = asyncio.create_task(posting.run())
        await routes(tenant, posting)

        code, output, errors = await command(next_release, database_url, "migrate", "--json")
        assert code == 0, errors
        assert json.loads(output) == {"applied": [next_id()]}
        await routes(tenant, posting)

        first_new = await start(api_port=port, **next_release)
        await routes(tenant, posting)
        assert await first_old.stop() == 0
        second_new = await start(api_port=port, **next_release)
        assert await second_old.stop() == 0
        await routes(tenant, posting)
        posting.stop()
        await clients
        await stored(tenant, set(posting.answered))
        nothing_crashed(first_old, second_old, first_new, second_new)
        assert (await first_new.stop(), await second_new.stop()) == (0, 0)
    code, output, errors = await command(next_release, database_url, "audit", "--json")
    assert (code, json.loads(output)["ok"]) == (0, True), errors


@pytest.mark.parametrize("words", [("serve",), ("status",)], ids=["serve", "status"])
async def test_an_old_release_does_not_start_on_a_schema_that_it_does_not_know(
    database_url: str, next_release: dict[str, str], words: tuple[str, ...]
) -> None:
    assert (await command(next_release, database_url, "migrate"))[0] == 0
    code, _, errors = await command({}, database_url, *words)
    assert (code, "Traceback" in errors) == (2, False)
    assert f"newer than this version, which does not know {next_id()}" in errors
    assert "use the version of lead-router that applied it, or a later one" in errors


async def test_a_new_release_does_not_start_before_the_schema_and_the_old_one_routes_on(
    database_url: str, conn: asyncpg.Connection, next_release: dict[str, str]
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    async with serving(database_url) as old:
        await old.said("listening")
        code, _, errors = await command(next_release, database_url, "serve")
        assert (code, "Traceback" in errors) == (2, False)
        assert f"{next_id()} not applied; run `lead-router migrate`" in errors
        await tenant.accept(lead(number) for number in range(10))
        await all_have_reps(tenant, 10)
        assert await old.stop() == 0


async def test_the_copy_that_plays_the_next_release_is_what_runs(next_release: dict[str, str]) -> None:
    """Else the tests above would prove nothing."""
    found = "import router, sys; sys.stdout.write(router.__path__[0])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", found, env=next_release, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.decode() == str(Path(next_release["PYTHONPATH"]) / "router")
    assert PROGRAM.startswith("from ops.cli import main")
