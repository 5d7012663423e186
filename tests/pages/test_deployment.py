"""docs/deployment.md: the grants that it prints are enough, and no table with data of people is missing."""

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest

from loadtest.daemon import serving
from ops.cleanup.catalogue import TABLES
from ops.cli import main
from router.settings.model import Settings
from tests.command_line import CommandLine
from tests.e2e.commands import PROJECT
from tests.http.posting import port_of
from tests.pages.transcript import blocks
from tests.postgres.test_connections import as_role
from tests.support import connected, database_of, until

PAGE = (PROJECT / "docs/deployment.md").read_text(encoding="utf-8")
FALKNER = PROJECT / "config/examples/falkner"


def printed(info: str) -> str:
    """The statements of the page's block that says `info`."""
    [found] = [block for block in blocks(PAGE) if block.info == f"sql {info}"]
    return "\n".join(found.lines)


@asynccontextmanager
async def as_printed(admin_url: str) -> AsyncIterator[tuple[str, str]]:
    """The URLs of owner and service of a database made by the page's statements; all is gone afterwards. Roles belong
    to the whole server, on which other tests run: names of their own.
    """
    suffix = uuid.uuid4().hex[:10]

    def named(statements: str) -> str:
        return re.sub(r"\brouter(_owner)?\b", rf"router\1_{suffix}", statements)

    database, owner, service = named("router"), named("router_owner"), named("router")
    async with connected(admin_url) as admin:
        for statement in filter(None, map(str.strip, named(printed("roles")).split(";"))):
            await admin.execute(statement)
        url = database_of(admin_url, database)
        try:
            async with connected(url) as inside:
                await inside.execute(named(printed("grants")))
            yield as_role(url, owner), as_role(url, service)
        finally:
            await admin.execute(f"drop database {database} with (force)")
            await admin.execute(f"drop role {owner}")
            await admin.execute(f"drop role {service}")


def command_line(url: str) -> CommandLine:
    """Commands on a configured database, whose schema only `migrate` changes."""
    return CommandLine(main, url, settings=Settings(database_url=url))


async def ends_well(url: str, *words: str) -> str:
    done = await command_line(url).run(*words)
    assert done.exit_code == 0, (words, done.output)
    return done.output


async def route_a_day(url: str) -> None:
    """Commands and the service, all of its roles, as the role of the service."""
    tenant = ("--tenant", "falkner")
    await ends_well(url, "tenants", "add", "falkner", "--time-zone", "Europe/Berlin")
    await ends_well(url, "reps", "import", str(FALKNER / "reps.csv"), *tenant)
    await ends_well(url, "rules", "apply", str(FALKNER / "rules.yaml"), *tenant)
    created = await ends_well(url, "tokens", "create", "crm", *tenant, "--role", "operator")
    token = re.search(r"lr_\S+|lrt_\S+", created)
    assert token, created
    async with serving(url, "serve", api_port=0) as daemon:
        mapping = ("--mapping", str(FALKNER / "wechat-cn.yaml"))
        await ends_well(url, "leads", "import", str(FALKNER / "wechat-cn.csv"), *tenant, *mapping)
        posted = {"source": "website", "external_id": "W-1", "name": "Ann", "phone": "+49 711 2345670"}
        address = f"http://127.0.0.1:{await port_of(daemon)}/v1/leads"
        headers = {"Authorization": f"Bearer {token[0]}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(address, json=posted) as answer,
        ):
            assert answer.status == 202, await answer.text()

        async def all_assigned() -> bool:
            return "assigned    5" in re.sub(r" {2,}", "    ", await ends_well(url, "status", *tenant))

        await until(all_assigned, "five leads are assigned")
        await ends_well(url, "end", "W-1", "--as", "returned", *tenant)
        await ends_well(url, "end", "V-501", "--as", "won", *tenant)
        for words in (["audit"], ["why", "V-502", *tenant], ["changes"], ["connections", "list"]):
            await ends_well(url, *words)
        assert "permission" not in (await command_line(url).run("doctor")).output
        assert await daemon.stop() == 0
        wrong = [line for line in daemon.log if line.get("level") in ("warning", "error", "critical")]
        assert not [line for line in wrong if "permission denied" in str(line) or "must be owner" in str(line)], wrong


@pytest.mark.direct
async def test_the_service_runs_with_the_printed_grants_and_no_more(admin_url: str) -> None:
    async with as_printed(admin_url) as (owner, service):
        await ends_well(owner, "migrate")
        await route_a_day(service)
        await ends_well(owner, "cleanup")
        async with connected(service) as conn:
            for forbidden in ("drop table lead", "create table mine (x int)", "alter table flight add column x int"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await conn.execute(forbidden)


def test_every_table_is_said_to_have_data_of_people_or_to_have_none() -> None:
    part = PAGE.partition("## Personal data")[2].partition("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    with_people = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    others = set(re.findall(r"`(\w+)`", part.partition("counts only:")[2].partition(".\n")[0]))
    assert not with_people & others
    assert with_people | others == {table.name for table in TABLES}
